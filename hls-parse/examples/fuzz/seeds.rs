//! What mutation begins with.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Longer seeds only slow everything down: what they have, shorter ones have too.
const LONGEST: usize = 6000;

pub(crate) fn all() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = OWN.iter().map(|text| text.as_bytes().to_vec()).collect();
    match corpus() {
        Some(root) => seeds.extend(playlists(&root)),
        None => println!("SKIPPED corpus: set HLS_CORPUS to its folder"),
    }
    seeds
}

fn corpus() -> Option<PathBuf> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    env::var_os("HLS_CORPUS").map(PathBuf::from).or_else(beside).filter(|path| path.is_dir())
}

fn playlists(root: &Path) -> Vec<Vec<u8>> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "m3u8"));
    // The order of folders is not the same everywhere, and a seed has to repeat a run.
    paths.sort();
    let mut texts: Vec<Vec<u8>> = paths.iter().filter_map(|path| fs::read(path).ok()).collect();
    texts.iter_mut().for_each(|text| text.truncate(LONGEST));
    texts
}

const OWN: [&str; 6] = [
    "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PLAYLIST-TYPE:VOD\n\
     #EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@0\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?a=1\",IV=0x1\n\
     #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678+01:00\n#EXTINF:5.5,Hello, world\n#EXT-X-BYTERANGE:5@7\na.ts\n\
     #EXTINF:6,\n#EXT-X-BYTERANGE:5\na.ts\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:6,\n\
     https://h/b.ts\n#EXT-X-BITRATE:800\n#EXTINF:-1 tvg-id=\"x\" group-title=\"a,b\",Name\nc.ts\n#EXT-X-ENDLIST\n",
    "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"1\"\n#EXT-X-DEFINE:QUERYPARAM=\"tok\"\n#EXT-X-DEFINE:IMPORT=\"imported\"\n\
     #EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{$v}\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
     #EXT-X-KEY:METHOD=AES-128,URI=\"{$tok}\",IV=0x{$v}\n#EXTINF:4,{$v}\n{$v}/{$imported}.ts\n",
    "#EXTM3U\n#EXT-X-VERSION:10\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:10\n\
     #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24,CAN-SKIP-DATERANGES=YES,HOLD-BACK=12,PART-HOLD-BACK=1,CAN-BLOCK-RELOAD=YES\n\
     #EXT-X-PART-INF:PART-TARGET=0.33\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3,RECENTLY-REMOVED-DATERANGES=\"a\tb\"\n\
     #EXT-X-PART:DURATION=0.33,URI=\"p\",BYTERANGE=\"9@1\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.33,URI=\"p\",BYTERANGE=\"9\"\n\
     #EXTINF:4,\ns.mp4\n#EXT-X-PART:DURATION=0.33,URI=\"q\",GAP=YES\n\
     #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\",BYTERANGE-START=9,BYTERANGE-LENGTH=1\n\
     #EXT-X-RENDITION-REPORT:URI=\"r\",LAST-MSN=12,LAST-PART=3\n",
    "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05Z\n#EXT-X-CUE-OUT:30\n\
     #EXT-X-DATERANGE:ID=\"1\",CLASS=\"com.apple.hls.interstitial\",START-DATE=\"2026-01-02T03:04:05Z\",DURATION=3,\
     X-ASSET-URI=\"u\",X-RESUME-OFFSET=0,X-SNAP=\"OUT,IN\",SCTE35-OUT=0xFC00\n\
     #EXT-X-DATERANGE:ID=\"2\",CLASS=\"c\",START-DATE=\"2026-01-02T03:04:06Z\",END-ON-NEXT=YES,CUE=\"PRE,ONCE\"\n\
     #EXTINF:4,\na\n#EXT-X-CUE-OUT-CONT:8/30\n#EXTINF:4,\nb\n#EXT-X-CUE-IN\n#EXT-X-PREFETCH:c\n#EXT-X-UNKNOWN:x\n",
    "#EXTM3U\n#EXT-X-VERSION:12\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=-3.5,PRECISE=YES\n\
     #EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\",LANGUAGE=\"en\"\n#EXT-X-SESSION-DATA:DATA-ID=\"e\",URI=\"d.json\",FORMAT=JSON\n\
     #EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"p\"\n\
     #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"2/JOC/-\",BIT-DEPTH=16,URI=\"a\"\n\
     #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\",INSTREAM-ID=\"SERVICE1\"\n\
     #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\n\
     #EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1920x1080,FRAME-RATE=29.97,\
     SCORE=2.5,VIDEO-RANGE=PQ,HDCP-LEVEL=TYPE-1,ALLOWED-CPC=\"urn:x:SW/HW\",PATHWAY-ID=\"p\",AUDIO=\"g\",CLOSED-CAPTIONS=NONE\n\
     v.m3u8?x=1\n#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-NEW=\"1\"\nw.m3u8\n#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,URI=\"t\"\n",
    "\u{feff}#EXTM3U url-tvg=\"x\"\r\n#EXTINF:.5\r\na\r\n#EXTINF:1e9,\r\n\r\n# comment\r\nb c\r\n#EXT-X-ENDLIST",
];
