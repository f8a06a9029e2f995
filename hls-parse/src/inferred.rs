//! Initialisation sections that no tag names.

use std::ops::Range;

use url::Url;

use crate::{ByteRange, Encryption, Media};

/// Where the initialisation section of I-frames most likely is; see [`Media::inferred_maps`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InferredMap {
    /// The segments it is for, by their places, counted from 0; all of them are in the same resource.
    pub segments: Range<usize>,
    /// Where it is.
    pub url: Url,
    /// The bytes before the first I-frame.
    pub byte_range: ByteRange,
    /// The encryption of the first I-frame, which may well be that of the section too.
    pub encryption: Encryption,
}

impl Media {
    /// Infers initialisation sections for an I-frame playlist that names none, as players do
    /// (rfc8216bis-22, section 4.4.3.6): the bytes before the first I-frame of each resource.
    ///
    /// This is a guess: check that such bytes are an initialisation section before they are used. Empty where
    /// the playlist is none of I-frames. Takes time in proportion to the segments.
    pub fn inferred_maps(&self) -> Vec<InferredMap> {
        let mut inferred: Vec<InferredMap> = Vec::new();
        let mut resource = None;
        for segment in self.segments().filter(|segment| self.i_frames_only && segment.map().is_none()) {
            let Some(range) = segment.byte_range() else { continue };
            let place = segment.index();
            if resource.replace(segment.uri()) == Some(segment.uri()) {
                if let Some(run) = inferred.last_mut().filter(|run| run.segments.end == place) {
                    run.segments.end = place + 1;
                }
                continue;
            }
            if let Some((byte_range, url)) = ByteRange::new(0, range.offset).zip(segment.url().ok()) {
                let encryption = segment.encryption().clone();
                inferred.push(InferredMap { segments: place..place + 1, url, byte_range, encryption });
            }
        }
        inferred
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use crate::{Media, Playlist};

    fn read(body: &str) -> Media {
        let base = Url::parse("https://example.com/a/i.m3u8").expect("a valid URL");
        match crate::parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}"), &base)
            .expect("a playlist")
            .playlist
        {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => unreachable!("not a media playlist"),
        }
    }

    #[test]
    fn the_bytes_before_the_first_i_frame() {
        fn check(head: &str, expect: &[(usize, usize, &str, u64)]) {
            let segments = "#EXTINF:4,\n#EXT-X-BYTERANGE:100@700\na.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@3000\na.mp4\n\
                #EXTINF:4,\n#EXT-X-BYTERANGE:100@0\nb.ts\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@500\nb.ts\n\
                #EXTINF:4,\nwhole.ts\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@376\nc.ts\n";
            let inferred = read(&format!("{head}{segments}")).inferred_maps();
            let got: Vec<_> = inferred
                .iter()
                .map(|map| (map.segments.start, map.segments.end, map.url.path(), map.byte_range.length))
                .collect();
            assert_eq!(got, expect);
        }
        check("#EXT-X-I-FRAMES-ONLY\n", &[(0, 2, "/a/a.mp4", 700), (5, 6, "/a/c.ts", 376)]);
        check("#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"i\"\n", &[]);
        check("", &[]);
    }
}
