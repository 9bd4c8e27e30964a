// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "benchmarks",
    products: [.library(name: "AllocationCounter", type: .dynamic, targets: ["AllocationCounter"])],
    dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
    targets: [
        // Runs Reelway and its peers as programs, as their users do: it links nothing of what it measures.
        .executableTarget(
            name: "bench",
            dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ]),
        // Preloaded into what is measured.
        .target(name: "AllocationCounter"),
    ],
    swiftLanguageModes: [.v6]
)
