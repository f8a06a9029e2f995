//! The broadcasts of the test kit are what they say: readable without a warning, within the letter of the draft, of media
//! that verifies. What records them is judged by them.

use std::error::Error;
use std::time::Duration;

use hls_media::{Configuration, Verifier};
use hls_parse::{Options, Playlist, Relation, check, parse};
use hls_testkit::{Broadcast, LowLatency, Media, Restart, Then, Transmission};
use url::Url;

type Outcome = Result<(), Box<dyn Error>>;

const SECOND: Duration = Duration::from_secs(1);

fn read(transmission: &mut Transmission, path: &str, at: Duration) -> Result<Playlist, Box<dyn Error>> {
    let answer = transmission.answer(path, "", at);
    assert_eq!(answer.status, 200, "{path} at {at:?}");
    let base = Url::parse("http://127.0.0.1/")?.join(path)?;
    let parsed = parse(&answer.body, &base)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(parsed.warnings.is_empty(), "{path} at {at:?}: {:?}\n{text}", parsed.warnings);
    let violations = check(&answer.body, &base, &Options::default());
    assert!(violations.is_empty(), "{path} at {at:?}: {violations:?}\n{text}");
    Ok(parsed.playlist)
}

/// Reads every playlist for some seconds, and every segment once, as someone who begins at the oldest one.
fn judge(name: &str, broadcast: &Broadcast, relation: Relation) -> Outcome {
    let mut transmission = broadcast.start();
    let master = read(&mut transmission, &broadcast.master_path(), Duration::ZERO)?;
    let Playlist::Multivariant(master) = master else { return Err("not a multivariant playlist".into()) };
    let renditions = master.renditions.iter().filter_map(|r| r.url.clone());
    for url in master.variants.iter().map(|v| v.url.clone()).chain(renditions) {
        let mut older = None;
        let mut worst = Relation::Unchanged;
        for step in 0..60 {
            let at = SECOND * step / 2;
            let Playlist::Media(media) = read(&mut transmission, url.path(), at)? else {
                return Err("not a media playlist".into());
            };
            let target = media.target_duration.ok_or("no target duration")?;
            for segment in media.segments() {
                assert!(segment.duration() <= target + SECOND / 2, "{name}: {:?}", segment.duration());
                let segment_url = segment.url()?;
                let sealed = transmission.answer(segment_url.path(), "", at);
                assert_eq!(sealed.status, 200, "{name}: {segment_url} at {at:?}");
            }
            if let Some(older) = &older {
                let comparison = media.compare(older).relation;
                if comparison != Relation::Advanced && comparison != Relation::Unchanged {
                    worst = comparison;
                }
            }
            older = Some(media);
        }
        assert_eq!(worst, relation, "{name}: {url}");
    }
    for track in 0..=master.renditions.len() {
        for offer in transmission.offered(track, SECOND * 30) {
            let init = offer.init().map(|init| Configuration::from_init(&init)).transpose()?;
            let mut verifier = Verifier::new();
            verifier.push(&offer.bytes())?;
            let summary = verifier.finish()?;
            let duration = summary.duration(init.as_ref());
            let Some(played) = duration else { continue };
            // Packets of several frames of sound are as long as most of them are, even the last one.
            let off = played.abs_diff(offer.duration);
            assert!(off < Duration::from_millis(300), "{name}: {played:?} for {:?}", offer.duration);
        }
    }
    Ok(())
}

#[test]
fn broadcasts_are_read_without_a_warning() -> Outcome {
    let two = SECOND * 2;
    let noise = || Broadcast::synthetic(two, 4000);
    let good = Relation::Unchanged;
    judge("noise", &noise(), good)?;
    judge("short", &Broadcast::synthetic(SECOND / 5, 2000).dated(1_772_323_190_000), good)?;
    judge("fragments", &Broadcast::synthetic_fmp4(two, 4000).map(SECOND * 5).other_map(SECOND * 9), good)?;
    judge("sealed", &noise().aes128([7; 16]).rotate_every(4).total(14), good)?;
    judge("vectors", &noise().aes128([7; 16]).explicit_iv().event_type(), good)?;
    judge("tracks", &noise().audio("en", &[SECOND * 3, SECOND], 77).real_audio("de", SECOND * 2, 5), good)?;
    judge("pathways", &noise().pathway("b", "").steer(SECOND, &["b", "a"]), good)?;
    judge("frozen", &noise().freeze(SECOND * 4, SECOND * 9, Then::Jump).late(SECOND * 20, two), good)?;
    judge("discontinuous", &noise().discontinuity(SECOND * 5).restart(Restart::on(SECOND * 9)), good)?;
    judge("gaps", &noise().window(20).late(SECOND, two).renamed(SECOND * 90), good)?;
    let low = LowLatency::new(SECOND / 2).deltas(two * 6);
    judge("parts", &noise().window(20).running(20).audio("en", &[SECOND], 9).low_latency(low.clone()), good)?;
    judge("parts of fragments", &Broadcast::synthetic_fmp4(SECOND, 4000).low_latency(low).total(20), good)?;
    for media in [Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4, Media::AudioAdts] {
        judge(&format!("{media:?}"), &Broadcast::from_media(media), good)?;
    }
    Ok(())
}

#[test]
fn what_happens_to_broadcasts_is_seen_as_what_it_is() -> Outcome {
    let noise = || Broadcast::synthetic(SECOND * 2, 4000).running(30);
    let at = SECOND * 9;
    judge("to zero", &noise().restart(Restart::to(at, 0)), Relation::Restarted)?;
    judge("lower", &noise().restart(Restart::to(at, 31)), Relation::Restarted)?;
    judge("ahead", &noise().restart(Restart::ahead(at, 9)), Relation::Unchanged)?;
    judge("back", &noise().restart(Restart::back(at, 3)), Relation::Restarted)?;
    judge("renamed", &noise().renamed(at), Relation::Contradicts)?;
    judge("stale", &noise().stale(at, at, 2), Relation::Older)
}

#[test]
fn a_delta_update_on_top_of_an_older_copy_is_the_whole() -> Outcome {
    let low = LowLatency::new(SECOND / 2).deltas(SECOND * 12);
    let noise = Broadcast::synthetic_fmp4(SECOND * 2, 4000).aes128([7; 16]).explicit_iv().rotate_every(5);
    let broadcast = noise.window(12).running(30).map(SECOND * 3).low_latency(low);
    let path = broadcast.playlist_path(0, 0);
    let base = Url::parse("http://127.0.0.1/")?.join(&path)?;
    let mut transmission = broadcast.start();
    let mut media = |query: &str, at: Duration| match parse(
        transmission.answer(&path, query, at).body,
        &base,
    )?
    .playlist
    {
        Playlist::Media(media) => Ok::<_, Box<dyn Error>>(media),
        _ => Err("not a media playlist".into()),
    };
    let mut copy = media("", Duration::ZERO)?;
    for step in 1..20 {
        let at = SECOND * step;
        let (whole, delta) = (media("", at)?, media("_HLS_skip=YES", at)?);
        assert!(delta.skipped_segments > 0);
        let merged = delta.merge(&copy).map_err(|why| format!("{why:?}"))?;
        let all = |media: &hls_parse::Media| {
            let one = |s: hls_parse::Segment<'_>| {
                (s.media_sequence(), s.uri().to_owned(), s.iv(), s.map().map(|m| m.url.clone()))
            };
            media.segments().map(one).collect::<Vec<_>>()
        };
        assert_eq!(all(&merged), all(&whole), "at {at:?}");
        copy = merged;
    }
    Ok(())
}
