/// Why a measurement could not be made, in a sentence for the one who started it.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
