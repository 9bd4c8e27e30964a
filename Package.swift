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
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
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
        .systemLibrary(name: "CLinux", path: "Modules/CLinux"),

        // A loop that is compiled for two instruction sets, which Swift can't.
        .target(name: "CLight", path: "Modules/CLight"),

        // Bytes in, an Instagram-ready MP4 out.
        .target(
            name: "Media",
            dependencies: ["CFFmpeg", "CLight", "CLinux", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        // Bytes over the network: ranged downloads, OneDrive, object stores.
        .target(
            name: "Transfer",
            dependencies: ["CCurl", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),

        // A database connection and its rows.
        .target(name: "Postgres", dependencies: ["CPostgres"], swiftSettings: strict),

        // Commands, and the service they share.
        .executableTarget(
            name: "reelway",
            dependencies: [
                "Media", "Transfer", "Postgres",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            resources: [.embedInCode("Migrations"), .embedInCode("HTTP/openapi.json")],
            swiftSettings: strict + memorySafe),

        // A OneDrive on loopback, with faults: for tests and the demo.
        .target(
            name: "LoopbackHTTP",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Sources/OneDriveSandbox/Loopback", swiftSettings: strict),
        .target(
            name: "OneDriveSandbox",
            dependencies: [
                "LoopbackHTTP",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Sources/OneDriveSandbox/Library", swiftSettings: strict),
        .executableTarget(
            name: "onedrive-sandbox",
            dependencies: [
                "OneDriveSandbox", "LoopbackHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/OneDriveSandbox/Program", swiftSettings: strict),

        // What goes wrong between a client and an object store, and Supabase's rules: for tests.
        .target(
            name: "StorageFaults",
            dependencies: [
                "LoopbackHTTP",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/StorageFaults", swiftSettings: strict),
        .executableTarget(
            name: "storage-proxy",
            dependencies: [
                "StorageFaults", "LoopbackHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/StorageProxyProgram", swiftSettings: strict),

        // Damages clips at random: `make fuzz`.
        .executableTarget(name: "fuzz", dependencies: ["Media"], path: "Tests/Fuzz", swiftSettings: strict),

        .testTarget(name: "MediaTests", dependencies: ["Media"], swiftSettings: strict),
        .testTarget(
            name: "TransferTests", dependencies: ["Transfer", "OneDriveSandbox", "LoopbackHTTP", "StorageFaults"],
            swiftSettings: strict),
        .testTarget(
            name: "OneDriveSandboxTests",
            dependencies: [
                "OneDriveSandbox", "onedrive-sandbox", "LoopbackHTTP", "StorageFaults", "storage-proxy",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(name: "PostgresTests", dependencies: ["Postgres"], swiftSettings: strict),
        .testTarget(
            name: "ReelwayTests",
            dependencies: [
                "reelway", "Postgres", "OneDriveSandbox", "LoopbackHTTP", "StorageFaults",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
