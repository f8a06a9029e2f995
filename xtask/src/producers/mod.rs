//! `cargo xtask producers`: what real packagers make, downloaded to each kind of output, and shown to real players.
//!
//! What has to hold for each: exit 0, and a file that holds each picture and each frame of sound once, when it is shown; `hls verify`
//! finds it right, or says of segments in a row that their times begin again, where they do; no player complains of more than it does of the same film as ffmpeg packages it the plain way. A refusal that says
//! what to do is legal where the output can't hold the stream, and the table shows it.

mod packaging;
mod players;
mod seen;
mod sources;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Origin, Resource};

use self::players::{Plain, Screen};
use self::seen::Seen;
use self::sources::Sources;
use self::variants::{Kind, VARIANTS, Variant};
use crate::streams::{Ended, Output, Verdict, get, judge};
use crate::{download, workspace};

const WORKERS: usize = 2;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = options.program.clone().map_or_else(download::build, Ok)?;
    let program = program.canonicalize().with_context(|| program.display().to_string())?;
    let folder = match &options.keep {
        Some(folder) => folder.clone(),
        None => workspace::target()?.join("producers"),
    };
    if options.keep.is_none() && folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let start = Instant::now();

    let chosen: Vec<_> = VARIANTS.iter().filter(|variant| options.takes(variant)).collect();
    ensure!(!chosen.is_empty(), "no variant of this name");
    let mut skipped = missing(&chosen);
    if packaging::missing("ffmpeg").is_some() {
        // Sources and comparison need it.
        return end_of(&skipped, "nothing was checked");
    }
    let sources = Sources::make(&folder.join("sources"), &chosen)?;
    println!("{} variants; sources: {:.0} s\n", chosen.len(), start.elapsed().as_secs_f64());

    let ground = Ground {
        program: &program,
        folder: &folder,
        sources: &sources,
        plain: Plain::default(),
        table: Mutex::default(),
    };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (ground, next, chosen) = (&ground, &next, &chosen);
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(move || ground.work(chosen, next))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().ok().context("a worker has panicked")?)
    })?;
    let mut table = ground.table.into_inner().ok().context("a worker has panicked")?;
    match table.screen.play()? {
        Some(told) => table.rows.iter_mut().for_each(|row| row.played(&told)),
        None => {
            println!("SKIPPED chromium: not installed (apt-get install chromium)");
            skipped.insert("chromium".to_owned());
        }
    }
    let (made, of) = (chosen.iter().filter(|variant| !skipped.contains(variant.needs)).count(), chosen.len());
    let (counts, wrong) = print(&mut table.rows);
    let counts = format!("{made} of {of} variants, {counts}; {} programs skipped", skipped.len());
    println!("\n{counts}, {:.0} s", start.elapsed().as_secs_f64());
    ensure!(wrong == 0, "{wrong} outputs are wrong");
    if options.keep.is_none() {
        fs::remove_dir_all(&folder)?;
    }
    end_of(&skipped, &counts)
}

/// Says what is not installed, once for each, and returns the names.
fn missing(chosen: &[&Variant]) -> BTreeSet<String> {
    let needs = chosen.iter().map(|variant| variant.needs);
    let all: BTreeSet<_> = needs.chain(players::names()).chain(["ffmpeg"]).collect();
    let missing = all.into_iter().filter_map(|name| Some((name, packaging::missing(name)?)));
    let said = missing.inspect(|(_, why)| println!("SKIPPED {why}"));
    said.map(|(name, _)| name.to_owned()).collect()
}

fn end_of(skipped: &BTreeSet<String>, counts: &str) -> Result<()> {
    let is_strict = std::env::var_os("HLS_CI_STRICT").is_some_and(|value| value == "1");
    let names = skipped.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    ensure!(!is_strict || skipped.is_empty(), "HLS_CI_STRICT=1 allows nothing skipped: {names} ({counts})");
    Ok(())
}

/// Prints the table and returns the counts, and how many are wrong.
fn print(rows: &mut [Row]) -> (String, usize) {
    rows.sort_by_key(|row| (row.nth, row.output));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter() {
        let (kind, verdict) = match &row.verdict {
            Verdict::Right => ("right", "right".to_owned()),
            Verdict::Refused(why) => ("refused", format!("refused, {why}")),
            Verdict::Wrong(why) => ("wrong", format!("WRONG: {why}")),
        };
        *counts.entry(kind).or_default() += 1;
        println!("{:10} | {:36} | {:6} | {verdict}", row.variant.producer, row.variant.name, row.output());
    }
    let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    let (right, refused, wrong) = (count("right"), count("refused"), count("wrong"));
    (format!("{} outputs: {right} right, {refused} refused, {wrong} wrong", rows.len()), wrong)
}

/// One line of the table.
struct Row {
    nth: usize,
    variant: &'static Variant,
    /// `None`: it was not made.
    output: Option<Output>,
    verdict: Verdict,
    /// Its place in what the browser plays.
    film: Option<usize>,
}

impl Row {
    fn output(&self) -> &'static str {
        match (self.output, self.variant.kind) {
            (None, _) => "none",
            (Some(Output::Joined), Kind::Packed(extension)) => extension,
            (Some(Output::Joined), _) => "ts",
            (Some(Output::Film), _) => "mp4",
            (Some(Output::Pipe), _) => "-",
        }
    }

    fn played(&mut self, told: &[Option<String>]) {
        let told = self.film.and_then(|film| told.get(film)?.clone());
        if let (Some(why), Verdict::Right) = (told, &self.verdict) {
            self.verdict = Verdict::Wrong(why);
        }
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    screen: Screen,
}

struct Ground<'a> {
    program: &'a Path,
    folder: &'a Path,
    sources: &'a Sources,
    plain: Plain,
    table: Mutex<Table>,
}

impl Ground<'_> {
    /// Takes one variant after the other.
    fn work(&self, chosen: &[&'static Variant], next: &AtomicUsize) -> Result<()> {
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(&variant) = chosen.get(nth) else { return Ok(()) };
            if packaging::missing(variant.needs).is_none() {
                let whole = format!("{} {}", variant.producer, variant.name);
                let folder = self.folder.join(whole.replace([' ', ','], "-"));
                self.check(nth, variant, &folder).with_context(|| whole)?;
            }
        }
    }

    /// Makes a stream, and each output of it.
    fn check(&self, nth: usize, variant: &'static Variant, folder: &Path) -> Result<()> {
        let made = folder.join("made");
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(&made)?;
        let parts = match self.make(variant, &made) {
            Ok(parts) => parts,
            Err(error) => {
                let verdict = Verdict::Wrong(format!("not made: {error:#}"));
                return self.enter(Row { nth, variant, output: None, verdict, film: None });
            }
        };
        let origin = Origin::start();
        for path in packaging::files(&made)? {
            let name = path.strip_prefix(&made)?.display().to_string();
            origin.put(&format!("/{name}"), Resource::new(fs::read(&path)?));
        }
        let url = origin.url(&format!("/{}", variant.entry));
        for output in [Output::Joined, Output::Film, Output::Pipe] {
            if output == Output::Joined && variant.kind == Kind::Fragments {
                continue;
            }
            let mut row = Row { nth, variant, output: Some(output), verdict: Verdict::Right, film: None };
            let file = folder.join(name_of(variant, output));
            row.verdict = self.judged(variant, output, &url, &file, &parts, folder)?;
            if let (Verdict::Right, Output::Film) = (&row.verdict, output) {
                row.film = self.show(variant, &file, &parts)?;
            }
            self.enter(row)?;
        }
        Ok(())
    }

    fn enter(&self, row: Row) -> Result<()> {
        self.table.lock().ok().context("a worker has panicked")?.rows.push(row);
        Ok(())
    }

    /// Runs the producer, and returns what the stream shows, part by part.
    fn make(&self, variant: &Variant, made: &Path) -> Result<Vec<Seen>> {
        for line in variant.lines {
            packaging::command(line, made, |word| self.sources.fill(word))?;
        }
        let side = made.parent().context("it has one")?;
        if !variant.own.is_empty() {
            let mut all: Vec<Seen> = Vec::new();
            for name in variant.own {
                for (nth, path) in seen::parts(&made.join(name))?.iter().enumerate() {
                    let seen = Seen::of(path, side)?;
                    match all.get_mut(nth) {
                        Some(part) => part.beside(seen),
                        None => all.push(seen),
                    }
                }
            }
            // A judge that sees nothing would find all right.
            let seconds = all.iter().map(Seen::seconds).sum::<f64>();
            ensure!(seconds > 9.0, "the stream shows {seconds:.1} s");
            return Ok(all);
        }
        variant.sources.iter().map(|name| Seen::of(&self.sources.plain(name, "mp4"), side)).collect()
    }

    fn judged(
        &self,
        variant: &Variant,
        output: Output,
        url: &str,
        file: &Path,
        parts: &[Seen],
        folder: &Path,
    ) -> Result<Verdict> {
        let target = if output == Output::Pipe { Path::new("-") } else { file };
        let mut more = variant.more.to_vec();
        if output == Output::Film && variant.has_words {
            more.extend(["--subs", "all"]);
        }
        let ended = get(self.program, folder, url, target, file, &more)?;
        if ended.code != Some(0) {
            let says = |what| ended.said.contains(what);
            // A pipe whose bytes are written already can only be told of.
            let is_helpful = says("error[") && says("next:") || says("wrong: ") && says("NAME.mp4 makes one");
            return Ok(match is_helpful && may_be_refused(variant, output, &ended) {
                true => Verdict::Refused(ended.kind()),
                false => Verdict::Wrong(format!("exit {:?}: {}", ended.code.unwrap_or(-1), ended.said)),
            });
        }
        let judged = compare(variant, output, file, parts, folder)
            .and_then(|()| verify(self.program, file, parts.len() > 1 && output != Output::Film))
            .and_then(|()| self.complaints(variant, output, file, folder));
        Ok(judged.err().map_or(Verdict::Right, |error| Verdict::Wrong(format!("{error:#}"))))
    }

    fn complaints(&self, variant: &Variant, output: Output, file: &Path, folder: &Path) -> Result<()> {
        let joined = folder.join(name_of(variant, Output::Joined));
        // What has been looked at once is not looked at again.
        if output == Output::Pipe && joined.is_file() && fs::read(&joined)? == fs::read(file)? {
            return Ok(());
        }
        let Some(source) = variant.sources.first() else { return Ok(()) };
        let extension = if file.extension().is_some_and(|e| e == "ts") { "ts" } else { "mp4" };
        let (measure, made) = (self.sources.plain(source, extension), folder.join("made"));
        let segments =
            packaging::files(&made)?.into_iter().filter(|path| path.extension() == file.extension());
        let theirs: Vec<_> = segments.take(1).chain([made.join(variant.entry)]).collect();
        let mut more = players::complaints(file, &measure, &theirs, &self.plain, folder)?;
        if variant.is_hollow {
            more.retain(|line| !line.contains("Could not find codec parameters"));
        }
        ensure!(more.is_empty(), "{}", more.join(" | "));
        Ok(())
    }

    /// Keeps a film for the browser, if that has what it takes to play it.
    fn show(&self, variant: &Variant, file: &Path, parts: &[Seen]) -> Result<Option<usize>> {
        const PLAYS: [&str; 5] = ["avc", "open", "flat", "pyramid", "double"];
        if !variant.sources.iter().all(|source| PLAYS.contains(source)) {
            return Ok(None);
        }
        let Some(source) = variant.sources.last() else { return Ok(None) };
        let (seconds, measure) = (parts.iter().map(Seen::seconds).sum(), self.sources.plain(source, "mp4"));
        let mut table = self.table.lock().ok().context("a worker has panicked")?;
        Ok(Some(table.screen.add(file, seconds, &measure)?))
    }
}

/// Lets `hls verify` judge a file. `begins_again`: its times do, which is what has to be found then, and no more than that.
fn verify(program: &Path, file: &Path, begins_again: bool) -> Result<()> {
    match judge::verify(program, file, false) {
        Ok(()) => Ok(()),
        Err(error)
            if begins_again && format!("{error:#}").contains("a stream whose timestamps begin anew") =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn name_of(variant: &Variant, output: Output) -> String {
    match (output, variant.kind) {
        (Output::Film, _) => "out.mp4".to_owned(),
        (Output::Joined, Kind::Packed(extension)) => format!("out.{extension}"),
        (Output::Pipe, Kind::Packed(extension)) => format!("pipe.{extension}"),
        (Output::Joined, _) => "out.ts".to_owned(),
        (Output::Pipe, Kind::Transport) => "pipe.ts".to_owned(),
        (Output::Pipe, Kind::Fragments) => "pipe.mp4".to_owned(),
    }
}

/// Compares an output, with the files beside it, with what the stream shows.
fn compare(variant: &Variant, output: Output, file: &Path, parts: &[Seen], folder: &Path) -> Result<()> {
    let found = Seen::of(file, folder)?;
    if output == Output::Film && variant.has_words {
        seen::compare_words(&sources::CUES, variant.words_late, &found)?;
    }
    if parts.len() > 1 && output != Output::Film {
        // Segments in a row, as they come: their times begin again.
        let all = |seen: &[&Seen]| seen.iter().flat_map(|seen| seen.pictures.clone()).collect::<Vec<_>>();
        let sounds = |seen: &[&Seen]| {
            seen.iter().flat_map(|seen| seen.sounds.first().cloned().unwrap_or_default()).collect::<Vec<_>>()
        };
        let right: Vec<_> = parts.iter().collect();
        seen::compare_frames(&all(&right), &all(&[&found]))?;
        return seen::compare_frames(&sounds(&right), &sounds(&[&found]));
    }
    let is_frames = matches!(variant.kind, Kind::Packed(_)) && output != Output::Film;
    if !(is_frames || output == Output::Joined && variant.is_apart) {
        let compared = seen::compare(parts, found.clone());
        if compared.is_ok() || output == Output::Film || variant.is_apart {
            return compared;
        }
        // The bytes are those of the segments: what the producer, or ffmpeg with offsets below 0, makes of times is in them.
        let own = Seen::of(&folder.join("made").join(variant.entry), folder)?;
        return seen::compare(&[own], found).or(compared);
    }
    let [right] = parts else { bail!("no such comparison") };
    let beside: Vec<_> = packaging::files(folder)?
        .into_iter()
        .filter(|path| path.parent() == Some(folder))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out.audio")))
        .collect();
    let mut sounds = found.sounds.clone();
    for path in beside {
        sounds.extend(Seen::of(&path, folder)?.sounds);
    }
    let pictures = |seen: &Seen| Seen { pictures: seen.pictures.clone(), ..Seen::default() };
    seen::compare(&[pictures(right)], pictures(&found))?;
    ensure!(
        sounds.len() == right.sounds.len(),
        "{} tracks of sound, not {}",
        sounds.len(),
        right.sounds.len()
    );
    for right in &right.sounds {
        // Files of tracks are found by their names, whose order is no matter.
        let place = sounds.iter().position(|found| seen::compare_frames(right, found).is_ok()).unwrap_or(0);
        seen::compare_frames(right, &sounds.swap_remove(place))?;
    }
    Ok(())
}

/// Says whether the output can't hold this stream, so that this exit code is right.
fn may_be_refused(variant: &Variant, output: Output, ended: &Ended) -> bool {
    match (output, ended.code) {
        (_, Some(7)) => true,
        // A pipe holds one track.
        (Output::Pipe, Some(2)) => variant.is_apart && ended.said.contains("error[output."),
        // Times begin again within the file.
        (Output::Joined | Output::Pipe, Some(4)) => variant.sources.len() > 1,
        _ => false,
    }
}

#[derive(Default)]
struct Options {
    /// Another build of the program.
    program: Option<PathBuf>,
    only: Option<String>,
    /// Where everything stays that was made.
    keep: Option<PathBuf>,
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--program" => options.program = Some(value.into()),
                [name, value] if name == "--only" => options.only = Some(value.clone()),
                [name, value] if name == "--keep" => options.keep = Some(value.into()),
                _ => bail!("usage: cargo xtask producers [--program PATH] [--only PATTERN] [--keep DIR]"),
            }
        }
        Ok(options)
    }

    /// Takes a variant whose producer and name hold the pattern.
    fn takes(&self, variant: &Variant) -> bool {
        let name = format!("{} {}", variant.producer, variant.name);
        self.only.as_ref().is_none_or(|pattern| name.contains(pattern.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_a_name_of_its_own_and_what_it_needs() -> Result<()> {
        let names: BTreeSet<_> = VARIANTS.iter().map(|v| format!("{} {}", v.producer, v.name)).collect();
        assert_eq!(names.len(), VARIANTS.len());
        let sources = Sources { folder: "/".into() };
        for variant in VARIANTS {
            assert!(!variant.lines.is_empty() && !variant.needs.is_empty(), "{}", variant.name);
            for word in variant.lines.iter().flat_map(|line| line.split_whitespace()) {
                sources.fill(word)?;
            }
        }
        Ok(())
    }
}
