/// Decodes a share of a stream that is copied: damage inside a slice shows nowhere else.
///
/// Of each group of pictures the first few are decoded, without the steps that only make a picture look right, for as
/// long as the work stays within a fixed budget: a short or small clip from first to last, a long one at its key frames,
/// the longest at some of them. Damage that hits one picture here and there can pass, and the copy is as good as its
/// source then. Damage that hits many is found.
///
/// The decoder works beside the copy, which is over as soon as it.
final class CopyCheck {
    private let decoder: Decoder
    /// Pictures to come that the decoder has taken in already.
    private var ahead: Int
    private let thread: CodecThread<Packet>
    private let macroblocks: Int
    /// Work for one group, and how many groups lie between two that are looked into.
    private let groupBudget: Int
    private let groupStride: Int
    private var group = -1
    private var spent = 0
    private var isDecoding = false

    /// Bytes decoded, about: a fifth of a second's work for one core.
    private static let budget = 3_000_000
    /// Bytes that take as long as what a macroblock costs by itself: in a key frame, which predicts inside the picture,
    /// and elsewhere (measured with libavcodec 59 on foliage at 1080p: 28 ms a key frame of 150 kB).
    private static let macroblockBytes = (key: 40, other: 4)

    /// - Parameter headStart: what the first look has decoded; the check goes on from there.
    init(_ stream: Stream, _ coded: MediaInfo.CodedVideo, _ headStart: HeadStart?) throws {
        let decoder = try headStart?.decoder ?? Decoder(stream, threads: CodecThreads.decoding(callerConverts: false))
        decoder.onlyChecks()
        self.decoder = decoder
        ahead = decoder.packets
        // The budget bounds what can wait in bytes.
        thread = CodecThread(named: "copy check", limit: 64) { packet in
            try decoder.decode(packet) { _ in }
        } end: {
            try decoder.finish { _ in }
        }
        let macroblocks = coded.sets.sequence.codedWidth * coded.sets.sequence.codedHeight / 256
        self.macroblocks = macroblocks
        let keys = coded.table.syncSamples ?? []
        let keyWork = keys.reduce(0) { $0 + coded.table.size(of: $1) + macroblocks * CopyCheck.macroblockBytes.key }
        groupStride = max(1, (keyWork + CopyCheck.budget - 1) / CopyCheck.budget)
        groupBudget = CopyCheck.budget / max(1, keys.count / groupStride)
    }

    /// Takes the next picture in coding order.
    func look(at packet: Packet, isKey: Bool, isInstantRefresh: Bool) throws {
        let isAhead = ahead > 0
        if isAhead { ahead -= 1 }
        if isKey {
            group += 1
            spent = 0
            isDecoding = isInstantRefresh && group % groupStride == 0
        }
        let each = isKey ? CopyCheck.macroblockBytes.key : CopyCheck.macroblockBytes.other
        let work = packet.size + macroblocks * each
        // What follows a picture that was left out can't be decoded either.
        isDecoding = isDecoding && (isKey || spent + work <= groupBudget)
        guard isDecoding else { return }
        spent += work
        if !isAhead { try thread.put(try packet.reference()) }
    }

    /// Takes out what the decoder still holds; `damage` is final then.
    func finish() throws { try thread.finish() }

    /// Pictures decoded, and those with damage.
    var damage: (packets: Int, damaged: Int) { (decoder.packets, decoder.damaged) }
}
