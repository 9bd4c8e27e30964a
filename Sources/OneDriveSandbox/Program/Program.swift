import OneDriveSandbox

@main
struct Program {
    static func main() {}
}
