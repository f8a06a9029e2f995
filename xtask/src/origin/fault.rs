//! Faults in one word: `freeze@30s+9s`, `outage@30s+1m,of=playlists,503`, `restart@30s,to=0`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Broadcast, Of, Outage, Restart, Then};

use super::Change;
use super::value::{duration, number};

/// A fault as it is written: `NAME@AT[+LASTS][,WORD...]`.
struct Written<'a> {
    text: &'a str,
    name: &'a str,
    at: &'a str,
    lasts: Option<&'a str>,
    words: Vec<&'a str>,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let mut words = text.split(',');
        let (name, time) = words
            .next()
            .and_then(|first| first.split_once('@'))
            .with_context(|| format!("{text} is no fault; freeze@30s+9s is"))?;
        let (at, lasts) = match time.split_once('+') {
            Some((at, lasts)) => (at, Some(lasts)),
            None => (time, None),
        };
        Ok(Self { text, name, at, lasts, words: words.collect() })
    }

    fn at(&self) -> Result<Duration> {
        duration(self.at)
    }

    fn lasts(&self) -> Result<Duration> {
        duration(
            self.lasts.with_context(|| {
                format!("{} needs to say how long: {}@{}+9s", self.text, self.name, self.at)
            })?,
        )
    }

    /// Takes `word`, and says whether it was there.
    fn takes(&mut self, word: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|w| *w != word);
        before != self.words.len()
    }

    /// Takes the value of `key=value`.
    fn value(&mut self, key: &str) -> Option<&'a str> {
        let at = self.words.iter().position(|w| w.split_once('=').is_some_and(|(k, _)| k == key))?;
        self.words.remove(at).split_once('=').map(|(_, value)| value)
    }

    /// Whatever is left was not understood.
    fn done(&self) -> Result<()> {
        ensure!(self.words.is_empty(), "{}: {} is not understood", self.text, self.words.join(","));
        Ok(())
    }
}

pub(super) fn read(text: &str) -> Result<Change> {
    let mut fault = Written::read(text)?;
    let change: Change = match fault.name {
        "freeze" => {
            let then = if fault.takes("goes-on") { Then::GoOn } else { Then::Jump };
            let (at, lasts) = (fault.at()?, fault.lasts()?);
            Box::new(move |b| b.freeze(at, lasts, then))
        }
        "late" => {
            let (at, by) = (fault.at()?, fault.lasts()?);
            Box::new(move |b| b.late(at, by))
        }
        "outage" => {
            let outage = outage(&mut fault)?;
            Box::new(move |b| b.outage(outage))
        }
        "restart" => {
            let restart = restart(&mut fault)?;
            Box::new(move |b| b.restart(restart))
        }
        "stale" => {
            let behind = fault.value("by").map_or(Ok(2), number)?;
            let (at, lasts) = (fault.at()?, fault.lasts()?);
            Box::new(move |b| b.stale(at, lasts, behind))
        }
        "missing" => {
            let (index, times) = (number(fault.at)?, fault.value("times").map(number).transpose()?);
            let pathway = fault.value("pathway").map(number).transpose()?;
            Box::new(move |b| b.missing(index, times, pathway))
        }
        "gap" => {
            let index = number(fault.at)?;
            Box::new(move |b| b.gap(index))
        }
        "clock" => {
            let (at, ms) =
                (fault.at()?, number(fault.value("ms").context("clock needs ms=-3600000 or the like")?)?);
            Box::new(move |b| b.clock_step(at, ms))
        }
        "target" => {
            let (at, to) =
                (fault.at()?, number(fault.value("to").context("target needs to=10 or the like")?)?);
            Box::new(move |b| b.retarget(at, to))
        }
        "steer" => {
            let to = fault.value("to").context("steer needs to=b or the like")?.to_owned();
            let at = fault.at()?;
            Box::new(move |b| b.steer(at, &to.split('>').collect::<Vec<_>>()))
        }
        name @ ("renamed" | "discontinuity" | "map" | "other-map") => {
            let at = fault.at()?;
            let change = match name {
                "renamed" => Broadcast::renamed,
                "discontinuity" => Broadcast::discontinuity,
                "map" => Broadcast::map,
                _ => Broadcast::other_map,
            };
            Box::new(move |b| change(b, at))
        }
        other => bail!("no such fault: {other}"),
    };
    fault.done()?;
    Ok(change)
}

fn outage(fault: &mut Written<'_>) -> Result<Outage> {
    let of = match fault.value("of") {
        None => Of::Everything,
        Some("playlists") => Of::Playlists,
        Some("segments") => Of::Segments,
        Some("keys") => Of::Keys,
        Some("steering") => Of::Steering,
        Some(other) => bail!("{}: of={other} is none of playlists, segments, keys, steering", fault.text),
    };
    let mut outage = Outage::new(of, fault.at()?, fault.lasts()?);
    if let Some(pathway) = fault.value("pathway") {
        outage = outage.on_pathway(number(pathway)?);
    }
    if let Some(track) = fault.value("track") {
        outage = outage.on_track(number(track)?);
    }
    Ok(match fault.words.pop() {
        None => outage,
        Some("reset") => outage.reset(),
        Some("silence") => outage.silence(),
        Some(status) => outage.status(number(status)?),
    })
}

fn restart(fault: &mut Written<'_>) -> Result<Restart> {
    let at = fault.at()?;
    let mut restart = match (fault.value("to"), fault.value("ahead"), fault.value("back")) {
        (Some(to), None, None) => Restart::to(at, number(to)?),
        (None, Some(by), None) => Restart::ahead(at, number(by)?),
        (None, None, Some(by)) => Restart::back(at, number(by)?),
        (None, None, None) => Restart::on(at),
        _ => bail!("{}: one of to, ahead and back", fault.text),
    };
    if fault.lasts.is_some() {
        restart = restart.down(fault.lasts()?);
    }
    if fault.takes("discontinuity") {
        restart = restart.discontinuity();
    }
    if fault.takes("same-names") {
        restart = restart.reusing_names();
    }
    if fault.takes("same-clock") {
        restart = restart.keeping_clock();
    }
    Ok(restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The media sequence numbers, or the status, of the playlist at that time.
    fn check(faults: &[&str], at: f64, expect: &str) -> Result<()> {
        let two = Duration::from_secs(2);
        let mut broadcast = Broadcast::synthetic(two, 2000).window(3).running(10);
        for fault in faults {
            broadcast = read(fault)?(broadcast);
        }
        let path = broadcast.playlist_path(0, 0);
        let mut live = broadcast.start();
        live.answer(&path, "", Duration::from_secs_f64(at));
        let answer = live.answer(&path, "", Duration::from_secs_f64(at));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let uris = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" ");
        let seen = if answer.status == 200 {
            uris.replace("seg000", "").replace(".ts", "")
        } else {
            answer.status.to_string()
        };
        assert_eq!(seen, expect, "{faults:?} at {at}");
        Ok(())
    }

    #[test]
    fn faults() -> Result<()> {
        check(&["freeze@1s+9s"], 9.0, "07 08 09")?;
        check(&["freeze@1s+9s"], 10.0, "12 13 14")?;
        check(&["freeze@1s+9s,goes-on"], 11.0, "08 09 10")?;
        check(&["late@1s+2s"], 3.0, "07 08 09")?;
        check(&["outage@1s+9s,of=playlists,404"], 3.0, "404")?;
        check(&["outage@1s+9s,of=keys,404"], 2.0, "08 09 10")?;
        check(&["outage@1s+9s,pathway=1"], 2.0, "08 09 10")?;
        check(&["outage@1s+9s,silence"], 2.0, "0")?;
        check(&["restart@1s,to=0"], 3.0, "00-e1")?;
        check(&["restart@1s+3s,to=4,same-names,discontinuity"], 6.0, "04")?;
        check(&["restart@1s,ahead=30"], 3.0, "40-e1")?;
        check(&["restart@1s,back=1,same-clock"], 3.0, "07 08 09-e1")?;
        check(&["restart@1s"], 3.0, "08 09 10-e1")?;
        check(&["stale@0s+9s,by=1"], 2.0, "07 08 09")?;
        check(&["renamed@1s", "gap@9", "missing@8,times=1"], 0.0, "07 08 09")?;
        check(&["renamed@1s", "discontinuity@2s", "map@3s", "other-map@4s"], 1.0, "r1/07 r1/08 r1/09")?;
        check(&["steer@0s,to=a>b", "clock@1s,ms=-3600000", "target@1s,to=10"], 0.0, "07 08 09")
    }

    #[test]
    fn what_is_no_fault() {
        for wrong in [
            "freeze",
            "freeze@1s",
            "freeze@x+1s",
            "flood@1s",
            "outage@1s+1s,of=x",
            "outage@1s+1s,x",
            "late@1s+1s,x",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for wrong in
            ["restart@1s,to=1,back=1", "missing@x", "clock@1s", "target@1s", "steer@1s", "restart@1s,to=x"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
