import Testing

@testable import Transfer

struct XMLElementTests {
    @Test func `reads a listing: names without prefixes, entities, CDATA, empty elements`() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- one page -->
            <s3:ListBucketResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated><Prefix/>
            <Contents><Key>a&amp;b&#x2F;c&#233;.mp4</Key><ETag>&quot;0f&quot;</ETag><Size>12</Size></Contents>
            <Contents><Key><![CDATA[<raw>&amp;]]></Key><!-- no size --></Contents></s3:ListBucketResult>

            """
        let root = try #require(XMLElement.root(of: Array(text.utf8)))
        #expect(root.name == "ListBucketResult")
        #expect(root["IsTruncated"] == "false")
        #expect(root["Prefix"] == "")
        #expect(root["NextMarker"] == nil)
        #expect(root.all("Contents").map { $0["Key"] } == ["a&b/cé.mp4", "<raw>&amp;"])
        #expect(root.child("Contents")?["ETag"] == "\"0f\"")
    }

    @Test func `passes over the white space that keeps a slow answer alive`() {
        let text = "  \n\n <?xml version=\"1.0\"?>\n \n<Error><Code>InternalError</Code></Error>"
        #expect(XMLElement.root(of: Array(text.utf8))?["Code"] == "InternalError")
    }

    @Test(arguments: [
        "", " ", "{}", "<", "<a", "<a>", "<a></b>", "<a><b></a></b>", "<a>&unknown;</a>", "<a>&#xFFFFFFFF;</a>",
        "<a/><b/>", "<a/>text", "<!DOCTYPE html><html></html>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a><!DOCTYPE b></a>", "<html><body><br></body></html>",
        "<a><![CDATA[</a>", "<a><!--</a>", "<>", "</a>",
    ])
    func `gives nothing for what isn't whole, well-formed and harmless`(text: String) {
        #expect(XMLElement.root(of: Array(text.utf8)) == nil)
    }

    @Test func `gives nothing for a document nested without end, instead of running out of stack`() {
        let text = String(repeating: "<a>", count: 100_000)
        #expect(XMLElement.root(of: Array(text.utf8)) == nil)
    }

    @Test func `takes any damage to a listing without a crash`() {
        let text = "<?xml version=\"1.0\"?><R><A>x&amp;y</A><B><![CDATA[z]]></B><!-- c --><C/></R>"
        let bytes = Array(text.utf8)
        for place in bytes.indices {
            for byte in [UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), UInt8(ascii: "/"), 0, 0xFF] {
                var damaged = bytes
                damaged[place] = byte
                _ = XMLElement.root(of: damaged)
                _ = XMLElement.root(of: Array(bytes[..<place]) + [byte])
            }
        }
        #expect(XMLElement.root(of: bytes) != nil)
    }
}
