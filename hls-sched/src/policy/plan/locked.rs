//! Encryption that can't be undone here, in words that tell a licence from a method that is not supported.

use hls_parse::{Encryption, Reason};

use crate::error::{Error, Kind};

/// Key formats of licence systems, and what people call these.
const LICENSED: [(&str, &str); 5] = [
    ("com.apple.streamingkeydelivery", "FairPlay"),
    ("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "Widevine"),
    ("com.widevine", "Widevine"),
    ("com.microsoft.playready", "PlayReady"),
    ("urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95", "PlayReady"),
];
/// Characters shown of a method or of key formats.
const ROOM: usize = 120;

/// The error for media that are encrypted in this way; `None`: they can be decrypted.
pub(super) fn refusal(encryption: &Encryption) -> Option<Error> {
    let Encryption::Unsupported { method, keyformats, reason, .. } = encryption else { return None };
    let refused = |message| Error::new(Kind::Playlist, "playlist.encryption", message);
    let method = hls_fetch::escaped(method.as_str(), ROOM);
    Some(match reason {
        Reason::KeyFormat => {
            let systems = hls_fetch::escaped(&systems(keyformats).join(", "), ROOM);
            refused(format!("the keys of this stream come from a licence server ({systems})"))
                .why(format!("it is encrypted with {method}, and no key of it can be downloaded"))
                .next("take a variant without that; hls asks no licence server")
        }
        Reason::Method => refused(format!("encrypted with {method}, which is not supported"))
            .why("only AES-128 can be decrypted; its key needs no licence")
            .next("take another variant, or a link to one that is clear or uses AES-128"),
        _ => refused(hls_fetch::escaped(&encryption.to_string(), ROOM))
            .why("the playlist does not say how to decrypt it")
            .next("take another variant, or ask whoever made the playlist"),
    })
}

/// The names of licence systems, each once; a format that is not known stands for itself.
fn systems<'a>(keyformats: &'a [std::sync::Arc<str>]) -> Vec<&'a str> {
    let mut all: Vec<&'a str> = Vec::new();
    for format in keyformats {
        let known = LICENSED.iter().find(|(known, _)| known.eq_ignore_ascii_case(format));
        let name = known.map_or(&**format, |(_, name)| *name);
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_a_licence_from_a_method_that_is_not_supported() {
        let base = url::Url::parse("http://h/").unwrap();
        for (keys, message, next) in [
            (vec!["METHOD=AES-128,URI=\"k\""], "", ""),
            (
                vec!["METHOD=SAMPLE-AES,URI=\"k\""],
                "encrypted with SAMPLE-AES, which is not supported",
                "uses AES-128",
            ),
            (
                vec!["METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\""],
                "from a licence server (FairPlay)",
                "no licence server",
            ),
            (
                vec![
                    "METHOD=SAMPLE-AES-CTR,URI=\"data:x\",KEYFORMAT=\"URN:UUID:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\"",
                    "METHOD=SAMPLE-AES-CTR,URI=\"data:x\",KEYFORMAT=\"com.widevine\"",
                    "METHOD=SAMPLE-AES-CTR,URI=\"data:x\",KEYFORMAT=\"com.microsoft.playready\"",
                    "METHOD=SAMPLE-AES-CTR,URI=\"data:x\",KEYFORMAT=\"org.example\u{1b}[31m\"",
                ],
                "from a licence server (Widevine, PlayReady, org.example",
                "no licence server",
            ),
            (vec!["METHOD=AES-128"], "AES-128 without a key URI", "another variant"),
            (vec!["METHOD=AES-128,URI=\"k\",IV=0xZZ"], "initialisation vector that can't be read", "another"),
        ] {
            let keys: String = keys.iter().map(|key| format!("#EXT-X-KEY:{key}\n")).collect();
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{keys}#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n");
            let hls_parse::Playlist::Media(media) = hls_parse::parse(&text, &base).unwrap().playlist else {
                panic!("{text}")
            };
            let refusal = media.encryptions().find_map(refusal);
            let shown = refusal.as_ref().map(ToString::to_string).unwrap_or_default();
            let advice = refusal.as_ref().and_then(Error::advice).unwrap_or_default();
            assert_eq!(refusal.is_some(), !message.is_empty(), "{keys}");
            assert!(shown.contains(message) && advice.contains(next), "{keys}: {shown} {advice}");
            assert!(!shown.contains('\u{1b}'), "{shown}");
        }
    }
}
