// swift-tools-version: 6.2
import PackageDescription

/// Every target is Swift 6 with the upcoming features that make imports and existentials explicit.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The executable holds no unsafe code: pointers live in the wrapper of their C library alone.
let memorySafe: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
]

let package = Package(
    name: "reelway",
    products: [
        .executable(name: "reelway", targets: ["reelway"]),
        .library(name: "Media", targets: ["Media"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        // The C libraries, found by pkg-config. Each is imported by one Swift target only.
        .systemLibrary(
            name: "CFFmpeg", path: "Modules/CFFmpeg", pkgConfig: "libavformat",
            providers: [
                .apt(["libavformat-dev", "libavcodec-dev", "libavfilter-dev", "libswscale-dev", "libswresample-dev"])
            ]),
        .systemLibrary(
            name: "CCurl", path: "Modules/CCurl", pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CPostgres", path: "Modules/CPostgres", pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"])]),

        // Bytes in, an Instagram-ready MP4 out.
        .target(
            name: "Media",
            dependencies: ["CFFmpeg", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        // Commands.
        .executableTarget(
            name: "reelway",
            dependencies: ["Media", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict + memorySafe),

        // Damages clips at random: `make fuzz`.
        .executableTarget(name: "fuzz", dependencies: ["Media"], path: "Tests/Fuzz", swiftSettings: strict),

        .testTarget(name: "MediaTests", dependencies: ["Media"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
