//! Every kind of stream, byte for byte.

use hls_sched::Format;
use hls_testkit::{Iv, Media, Origin, Vod};

use crate::support::{KEY, Outcome, exact, exact_as};

async fn check(vod: Vod, extension: &str) -> Outcome {
    let origin = Origin::start();
    let vod = vod.publish(&origin);
    let done = exact(&vod, extension).await?;
    assert_eq!(done.retries, 0, "{}", vod.playlist);
    Ok(())
}

/// As it comes, where an MP4 would be made of it otherwise.
async fn joined(vod: Vod) -> Outcome {
    exact_as(Format::Join, &vod.publish(&Origin::start()), "mp4").await?;
    Ok(())
}

fn ts() -> Vod {
    Vod::from_media(Media::Ts)
}

fn fmp4() -> Vod {
    Vod::from_media(Media::Fmp4)
}

#[tokio::test]
async fn transport_stream() -> Outcome {
    check(ts(), "ts").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transport_stream_on_many_threads() -> Outcome {
    check(Vod::synthetic(60, 100_000), "ts").await
}

#[tokio::test]
async fn audio_alone() -> Outcome {
    check(Vod::from_media(Media::AudioAdts), "aac").await?;
    check(Vod::from_media(Media::AudioTs), "ts").await?;
    check(Vod::from_media(Media::AudioFmp4), "m4s").await
}

/// Players of AC-3 lose a frame where a tag stands between two.
#[tokio::test]
async fn dolby_behind_tags() -> Outcome {
    // 48 kHz and 192 kbit/s: frames of 768 bytes and 32 ms (ETSI TS 102 366, section 4.4.1).
    let frame = |n: u8| [&[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40][..], &[n; 761]].concat();
    let frames = |segment: u8| (0..100).flat_map(|n| frame(segment * 7 + n)).collect::<Vec<_>>();
    let tagged = |segment: u8| {
        let time = (u64::from(segment) * 288_000).to_be_bytes();
        let content = [&b"com.apple.streaming.transportStreamTimestamp\0"[..], &time].concat();
        [b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0", &content[..], &frames(segment)].concat()
    };
    let vod = || Vod::of((0..5).map(|segment| tagged(segment).into()).collect(), "ac3").segment_seconds(3.2);
    for (vod, format) in [(vod(), Format::Auto), (vod().aes128(KEY), Format::Auto), (vod(), Format::Join)] {
        let origin = Origin::start();
        let mut vod = vod.publish(&origin);
        vod.expected = (0..5).flat_map(frames).collect::<Vec<_>>().into();
        let done = exact_as(format, &vod, "ac3").await?;
        assert_eq!(done.retries, 0);
    }
    Ok(())
}

#[tokio::test]
async fn aes_with_implicit_iv() -> Outcome {
    check(ts().aes128(KEY).media_sequence(77), "ts").await
}

#[tokio::test]
async fn aes_with_explicit_iv() -> Outcome {
    check(ts().aes128(KEY).iv(Iv::Explicit), "ts").await
}

#[tokio::test]
async fn aes_with_an_iv_for_each_segment() -> Outcome {
    check(ts().aes128(KEY).iv(Iv::PerSegment), "ts").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aes_with_rotation() -> Outcome {
    check(Vod::synthetic(40, 20_000).aes128(KEY).rotate_every(3), "ts").await
}

#[tokio::test]
async fn aes_that_ends_midway() -> Outcome {
    check(ts().aes128(KEY).none_from(3), "ts").await
}

#[tokio::test]
async fn fragmented_mp4() -> Outcome {
    check(fmp4(), "m4s").await
}

#[tokio::test]
async fn fragmented_mp4_encrypted_with_its_section() -> Outcome {
    check(fmp4().aes128(KEY).iv(Iv::Explicit).encrypted_map(), "m4s").await
}

#[tokio::test]
async fn a_section_has_the_key_in_effect_at_its_tag() -> Outcome {
    check(fmp4().aes128(KEY).own_map_key(), "m4s").await
}

#[tokio::test]
async fn two_sections_of_one_configuration() -> Outcome {
    joined(fmp4().two_maps()).await?;
    joined(fmp4().two_maps().aes128(KEY).own_map_key().discontinuity_at(3)).await
}

#[tokio::test]
async fn byte_ranges_with_implied_offsets() -> Outcome {
    check(ts().byterange(), "ts").await?;
    check(ts().byterange().aes128(KEY), "ts").await
}

#[tokio::test]
async fn byte_ranges_of_fragmented_mp4() -> Outcome {
    check(fmp4().byterange(), "m4s").await?;
    joined(fmp4().byterange().two_maps().aes128(KEY).iv(Iv::PerSegment).encrypted_map()).await
}

#[tokio::test]
async fn a_playlist_behind_a_redirect() -> Outcome {
    check(ts().redirected().query("token=a&x=1"), "ts").await
}

#[tokio::test]
async fn absolute_urls_with_queries() -> Outcome {
    check(ts().absolute().query("token=a%2Fb").aes128(KEY), "ts").await
}

#[tokio::test]
async fn redirected_segments_and_keys() -> Outcome {
    let origin = Origin::start();
    let vod = ts().aes128(KEY).publish(&origin);
    origin.put("/moved/key", KEY.to_vec());
    origin.redirect(&vod.key_paths[0], "/moved/key?signed=1");
    exact(&vod, "ts").await?;
    let vod = ts().prefix("/clear").publish(&origin);
    let second = Media::Ts.segments()[1];
    origin.put("/moved/second.ts", second);
    origin.redirect(&vod.segment_paths[1], "../moved/second.ts");
    exact(&vod, "ts").await?;
    Ok(())
}

#[tokio::test]
async fn many_tiny_segments() -> Outcome {
    check(Vod::synthetic(500, 1 << 10), "ts").await
}

#[tokio::test]
async fn one_segment() -> Outcome {
    check(Vod::synthetic(1, 3 << 20), "ts").await
}
