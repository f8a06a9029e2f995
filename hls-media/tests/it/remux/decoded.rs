//! What ffmpeg decodes, and when it says that each packet is presented.

use std::path::Path;
use std::process::{Command, Stdio};

/// A tick of 90 kHz in seconds, and what ffprobe rounds away.
const TICK: f64 = 1.0 / 90_000.0 + 0.000_001_1;

/// Half a sample of 44.1 kHz: audio counts in samples afterwards.
const SAMPLE: f64 = 0.5 / 44_100.0;

/// What a file decodes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoded {
    /// A hash of each picture, in the order in which they are shown.
    pub(super) pictures: Vec<String>,
    /// A hash of all samples of each audio track.
    pub(super) sounds: Vec<String>,
    /// When each packet of video, and of each audio track, is presented, sorted.
    pub(super) video_times: Vec<f64>,
    pub(super) audio_times: Vec<Vec<f64>>,
    /// Whether the time of each packet of audio stands in the file, and is not added up (and cut to ticks each time).
    pub(super) is_said: Vec<Vec<bool>>,
    /// Whether each packet of video says that it is a place to begin, in order of decoding.
    pub(super) keys: Vec<bool>,
    /// What is presented before 0 is there for the decoder only.
    is_primed: bool,
    /// What ffmpeg had to complain about.
    pub(super) complaints: String,
}

impl Decoded {
    pub(super) fn of(path: &Path, has_video: bool, sounds: usize) -> Self {
        Self::without(path, has_video, sounds, 0)
    }

    /// Leaves out that many samples of audio at the begin. By the edit list of fragmented MP4 they are there for the
    /// decoder only, but ffmpeg heeds that in other MP4 alone.
    pub(super) fn without(path: &Path, has_video: bool, sounds: usize, priming: u32) -> Self {
        let mut found = Self { is_primed: priming > 0, ..Self::default() };
        if has_video {
            let text = found.run(path, &["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
            let frames = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            found.pictures = frames
                .filter_map(|line| line.rsplit(',').next().map(|hash| hash.trim().to_owned()))
                .collect();
            let packets = packets(path, "v:0");
            found.keys = packets.iter().map(|packet| packet.is_key).collect();
            found.video_times = sorted(packets);
        }
        let trim = format!("atrim=start_sample={priming}");
        for number in 0..sounds {
            let text = found.run(path, &["-map", &format!("0:a:{number}"), "-af", &trim, "-f", "md5", "-"]);
            found.sounds.push(text.trim().to_owned());
            let packets = packets(path, &format!("a:{number}"));
            found.is_said.push(packets.iter().map(|packet| packet.is_said).collect());
            found.audio_times.push(sorted(packets));
        }
        found
    }

    fn run(&mut self, path: &Path, arguments: &[&str]) -> String {
        let run = Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-v", "warning", "-i"])
            .arg(path)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("ffmpeg runs");
        self.complaints.push_str(&String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    /// When the first packet is presented.
    pub(super) fn begin(&self) -> f64 {
        self.begin_from(f64::NEG_INFINITY)
    }

    fn begin_from(&self, earliest: f64) -> f64 {
        let times = self.audio_times.iter().chain([&self.video_times]);
        let shown = |times: &Vec<f64>| times.iter().copied().find(|time| *time > earliest);
        times.filter_map(shown).fold(f64::INFINITY, f64::min)
    }

    /// Compares what was before with what is after, all times from the respective begin.
    pub(super) fn check(&self, after: &Self, what: &str) {
        assert_eq!(after.complaints, "", "{what}: a warning");
        assert!(!self.pictures.is_empty() || !self.sounds.is_empty(), "{what}: nothing was decoded");
        assert_eq!(self.pictures.len(), after.pictures.len(), "{what}: number of pictures");
        assert!(self.pictures == after.pictures, "{what}: pictures differ");
        assert_eq!(self.sounds, after.sounds, "{what}: sounds differ");
        let earliest = if self.is_primed { -TICK } else { f64::NEG_INFINITY };
        let (from, to) = (self.begin_from(earliest), after.begin_from(earliest));
        assert!(to.abs() < TICK, "{what}: begins at {to}");
        let audio = self.audio_times.iter().zip(&after.audio_times).zip(&self.is_said);
        let audio = audio.map(|((before, after), is_said)| (before, after, SAMPLE, &is_said[..]));
        let video = [(&self.video_times, &after.video_times, 0.0, &[][..])];
        for (before, after, more, is_said) in audio.chain(video) {
            assert_eq!(before.len(), after.len(), "{what}: number of packets");
            for (number, (before, after)) in before.iter().zip(after).enumerate() {
                if is_said.get(number) == Some(&false) {
                    continue;
                }
                let off = (after - to) - (before - from);
                assert!(off.abs() <= TICK + more, "{what}: packet {number} is {off} s off, at {after} s");
            }
        }
        assert_eq!(self.keys, after.keys, "{what}: places to begin");
    }
}

struct Packet {
    time: f64,
    is_key: bool,
    is_said: bool,
}

fn sorted(packets: Vec<Packet>) -> Vec<f64> {
    let mut times = packets.into_iter().map(|packet| packet.time).collect::<Vec<_>>();
    times.sort_by(f64::total_cmp);
    times
}

fn packets(path: &Path, stream: &str) -> Vec<Packet> {
    let run = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream])
        .args(["-show_entries", "packet=pts_time,pos,flags", "-of", "csv=p=0"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe runs");
    let packet = |line: &str| {
        let fields = line.split(',').collect::<Vec<_>>();
        let &[time, position, flags, ..] = &fields[..] else { return None };
        Some(Packet { time: time.parse().ok()?, is_key: flags.starts_with('K'), is_said: position != "N/A" })
    };
    String::from_utf8_lossy(&run.stdout).lines().filter_map(packet).collect()
}
