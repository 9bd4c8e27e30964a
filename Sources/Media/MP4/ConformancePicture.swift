/// What the picture is, by its sample description, its sequence parameter sets and its track header.
extension Conformance {
    mutating func checkPicture(_ video: Track) {
        checkRotation(video)
        guard video.sampleEntry == "avc1", let record = video.avcC.flatMap({ AVCConfiguration($0) }) else {
            report(
                "video_codec", found: video.sampleEntry.isEmpty ? "an unreadable description" : video.sampleEntry,
                required: "H.264, avc1 with its configuration")
            return
        }
        let sets = record.spsList.compactMap { SequenceParameterSet($0) }
        guard let first = sets.first, sets.count == record.spsList.count, !record.ppsList.isEmpty else {
            report(
                "video_codec", found: "H.264 parameter sets that cannot be read",
                required: "at least one sequence and one picture parameter set")
            return
        }
        for set in sets {
            checkCoding(set)
            checkSize(set)
            checkColours(set, colour: video.colour)
        }
        checkAspect(sets, pixelAspect: video.pixelAspect)
        checkDeclaredSize(video, set: first)
    }

    private mutating func checkCoding(_ set: SequenceParameterSet) {
        let profiles: [UInt8] = copiedVideo ? [66, 77, 100] : [100]
        if !profiles.contains(set.profile) {
            report(
                "video_profile", found: "H.264 profile \(set.profile)",
                required: copiedVideo ? "Baseline (66), Main (77) or High (100)" : "High (100)")
        }
        if !set.isFrameOnly {
            report("progressive", found: "a stream that allows fields", required: "progressive frames only")
        }
        if !set.is8Bit420 {
            report(
                "pixel_format",
                found: "chroma format \(set.chromaFormat), \(set.lumaBitDepth) and \(set.chromaBitDepth) bits",
                required: "4:2:0 (chroma format 1), 8 bits")
        }
    }

    private mutating func checkSize(_ set: SequenceParameterSet) {
        let size = "\(set.width)x\(set.height)"
        if set.width % 2 != 0 || set.height % 2 != 0 {
            report("even_size", found: size, required: "even sides")
        }
        // The limits are the same for a picture and for the picture turned, so the matrix need not be asked.
        if !profile.holds(set.width, set.height) {
            report(
                "frame_size", found: size,
                required: "within \(profile.longSide)x\(profile.shortSide) or \(profile.shortSide)x\(profile.longSide)",
                code: Self.limitCode)
        }
    }

    private mutating func checkColours(_ set: SequenceParameterSet, colour: SampleDescription.Colour?) {
        func text(_ value: Int?) -> String { value.map(String.init) ?? "none" }
        func range(_ isFull: Bool?) -> String { isFull.map { $0 ? "full" : "limited" } ?? "no" }
        let usability = set.usability
        let required = "BT.709 (primaries, transfer and matrix 1), limited range"
        let codes = [usability?.primaries, usability?.transfer, usability?.matrix]
        if codes != [1, 1, 1] || usability?.isFullRange != false {
            let list = codes.map(text).joined(separator: "/")
            report(
                "colour_tags", found: "\(list), \(range(usability?.isFullRange)) range in the SPS", required: required)
        }
        if let colour,
            [colour.primaries, colour.transfer, colour.matrix] != [1, 1, 1] || colour.isFullRange == true
        {
            let list = "\(colour.primaries)/\(colour.transfer)/\(colour.matrix)"
            report("colour_tags", found: "\(list), \(range(colour.isFullRange)) range in colr", required: required)
        }
    }

    private mutating func checkAspect(_ sets: [SequenceParameterSet], pixelAspect: Rational?) {
        let coded = sets.compactMap { $0.usability?.pixelAspect }
        if let shape = coded.first(where: { $0.num != $0.den }) {
            report("pixel_aspect", found: "pixels of \(shape.num):\(shape.den) in the SPS", required: "square pixels")
        } else if let shape = pixelAspect, shape.num != shape.den {
            report("pixel_aspect", found: "pixels of \(shape.num):\(shape.den) in pasp", required: "square pixels")
        }
    }

    /// Some cameras leave cropping to the sample description: it may then cut off less than a macroblock, which
    /// libavcodec obeys. What is encoded here crops in the SPS.
    private mutating func checkDeclaredSize(_ video: Track, set: SequenceParameterSet) {
        let slack = copiedVideo ? 15 : 0
        if video.sampleEntryWidth % 2 != 0 || video.sampleEntryHeight % 2 != 0 {
            report(
                "even_size", found: "\(video.sampleEntryWidth)x\(video.sampleEntryHeight) in the sample description",
                required: "even sides")
        }
        let isEntryRight =
            (0...slack).contains(set.width - video.sampleEntryWidth)
            && (0...slack).contains(set.height - video.sampleEntryHeight)
        let isHeaderRight =
            abs(video.width - Double(video.sampleEntryWidth)) < 1
            && abs(video.height - Double(video.sampleEntryHeight)) < 1
        if !isEntryRight || !isHeaderRight {
            report(
                "declared_size",
                found: "\(video.sampleEntryWidth)x\(video.sampleEntryHeight) in the sample description, "
                    + "\(video.width)x\(video.height) in the track header",
                required: "\(set.width)x\(set.height), the size in the SPS")
        }
    }

    private mutating func checkRotation(_ video: Track) {
        if copiedVideo {
            if video.rotation == nil {
                report("rotation", found: "a matrix that does not only turn", required: "a rotation by quarter turns")
            }
        } else if !video.hasIdentityMatrix {
            let found = video.rotation.map { $0 == 0 ? "a matrix that moves" : "a rotation by \($0)°" }
            report("rotation", found: found ?? "a matrix that does more than turn", required: "upright pixels")
        }
    }
}
