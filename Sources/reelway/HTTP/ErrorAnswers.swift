import HTTPTypes
import Hummingbird
import Logging

/// Turns whatever is thrown into a JSON answer.
struct ErrorAnswers: RouterMiddleware {
    typealias Context = APIContext

    let endpoints: [Endpoint]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let answer = answer(to: error, request)
            if answer.status.code >= 500 {
                context.logger.log(
                    level: error is CancellationError ? .debug : .error, "request failed",
                    metadata: ["error": "\(answer.logged)"])
            }
            let response = answer.response(from: request, context: context)
            return request.method == .head ? response.createHeadResponse() : response
        }
    }

    private func answer(to error: any Error, _ request: Request) -> APIError {
        switch error {
        case let error as APIError:
            return error
        case let error as HTTPError where error.status == .notFound:
            let methods = Endpoint.methods(at: request.uri.path, in: endpoints)
            guard !methods.isEmpty else {
                return APIError(
                    .notFound, ErrorCode.usage.rawValue,
                    "there is no such route; GET /openapi.json lists those there are")
            }
            let allowed = methods.map(\.rawValue).joined(separator: ", ")
            return APIError(
                .methodNotAllowed, ErrorCode.usage.rawValue, "this route takes \(allowed)", headers: [.allow: allowed])
        case let error as HTTPError:
            return APIError(error.status, ErrorCode.usage.rawValue, error.body ?? error.status.reasonPhrase)
        case is CancellationError:
            // Nobody waits for this answer any more, or the program ends.
            return APIError(
                .serviceUnavailable, ErrorCode.cancelled.rawValue, "the service is stopping; try again",
                headers: [.retryAfter: "5"])
        default:
            return APIError(Failure(error))
        }
    }
}
