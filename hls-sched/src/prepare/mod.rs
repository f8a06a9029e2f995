//! From a URL to a plan: playlists loaded, a variant chosen, outputs named, an earlier run compared.

mod choosing;
mod ends;
pub(crate) mod form;
pub(crate) mod job_record;
mod section;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hls_media::Joint;
use hls_state::{DiskStore, Making, Options, Recovered, ResumeStore};

pub(crate) use self::choosing::{About, Again, Chosen, Role, Selection, choose, choose_patiently};
pub(crate) use self::ends::{Ends, outputs};
use crate::config::{Config, Output};
use crate::error::{Error, Kind};
use crate::event::Plan;
use crate::manifest::format;
use crate::policy::doubt::{DAMAGED, STARTS_OVER, WAS_ANOTHER};
use crate::policy::name;
use crate::policy::plan::Tracks;
use crate::policy::remembered::Choice;
use crate::resume::parts;
use crate::store::pipe::PipeStore;
use crate::store::space;

/// What an earlier run into the same output has chosen; nothing where the user chooses, or wants it to be forgotten. Where the
/// name of the output depends on the variant, that has to be chosen first.
pub(crate) fn earlier_choice(config: &Config) -> Vec<Choice> {
    if !config.selects.is_empty() || config.restart {
        return Vec::new();
    }
    let kept = candidates(config).iter().find_map(|path| Choice::kept(hls_state::Memo::of(path)?.choice));
    kept.into_iter().collect()
}

/// Says early what would only be found out at the end: outputs that exist, a folder that can't be written to, another
/// process at work. Nothing has been requested yet.
pub(crate) fn probe(config: &Config) -> Result<(), Error> {
    let candidates = candidates(config);
    for path in &candidates {
        let path = parts::next_part(path, config.force, 0).path;
        is_not_spared(config, &path)?;
        hls_state::probe(&path, config.force).map_err(Error::state)?;
        // Of several names one will be taken, and what grows under another is in nobody's way.
        if !config.restart && candidates.len() == 1 {
            hls_state::probe_part(&path).map_err(Error::state)?;
        }
        probe_manifest(config, &path)?;
    }
    Ok(())
}

/// An output that another job of the same list has written stays, also where all is to be replaced.
fn is_not_spared(config: &Config, output: &Path) -> Result<(), Error> {
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    if !config.spared.iter().any(|spared| whole(spared) == whole(output)) {
        return Ok(());
    }
    let message = format!("another stream of this list has this output: {}", format::shown(output));
    Err(Error::new(Kind::Exists, "output.taken", message).next("-o gives this one a name of its own"))
}

/// Whether a recording has begun that this job goes on with.
pub(crate) fn goes_on(config: &Config) -> bool {
    !config.restart && candidates(config).iter().any(|path| parts::has_begun(path, config.force))
}

/// What the main output may be called, as far as that can be told before the stream is known: several are told apart by what is
/// in them.
fn candidates(config: &Config) -> Vec<PathBuf> {
    if config.may_have_several() {
        return Vec::new();
    }
    match &config.output {
        Output::File(path) => vec![path.clone()],
        Output::Template(template) if !template.contains('{') || template.contains("{name}") => {
            let stem = template.replace("{name}", &config.suggested_name());
            if template.contains('{') && Path::new(&stem).extension().is_some() && !template.ends_with('}') {
                return vec![PathBuf::from(stem)];
            }
            name::EXTENSIONS.iter().map(|extension| PathBuf::from(format!("{stem}.{extension}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// A file that has the name of the manifest and is none stays, unless all is to be replaced.
fn probe_manifest(config: &Config, output: &Path) -> Result<(), Error> {
    let path = format::manifest_path(output);
    let is_free = || std::fs::symlink_metadata(&path).is_err() || format::is_one(&path);
    if !config.manifest || config.force || is_free() {
        return Ok(());
    }
    let message = format!("the name of the manifest is taken: {}", format::shown(&path));
    let error = Error::new(Kind::Exists, "manifest.exists", message);
    Err(error.next("--force replaces it, -o gives another name"))
}

/// Opens the store of the job and finds out what an earlier run left.
pub(crate) async fn open(
    config: &Config,
    ends: &Ends,
    tracks: usize,
    (is_live, restarts): (bool, bool),
    joint: &Arc<Mutex<Joint>>,
) -> Result<(Box<dyn ResumeStore>, Recovered, Option<Making>), Error> {
    if let Output::Writer(out) = &config.output {
        let out = out.lock().unwrap_or_else(PoisonError::into_inner).take();
        let out = out.ok_or_else(|| Error::new(Kind::Internal, "internal", "the output was used before"))?;
        let mut recovered = Recovered::default();
        recovered.outputs = vec![Vec::new(); tracks];
        return Ok((Box::new(PipeStore::new(out, Arc::clone(joint))), recovered, None));
    }
    ends.outputs.iter().try_for_each(|output| is_not_spared(config, output))?;
    let main = ends.outputs.first().filter(|_| !config.restart && !restarts);
    let earlier_end = main.and_then(|output| hls_state::Memo::of(output)?.ended);
    let is_doubted = earlier_end.as_ref().is_some_and(|ended| is_of_doubt(&ended.code));
    if earlier_end.is_some_and(|ended| ended.code == WAS_ANOTHER) {
        let message = "an earlier run found that a segment in this output is not the one that the server has";
        return Err(Error::content(WAS_ANOTHER, message).next(STARTS_OVER).finally());
    }
    let mut options = Options::new(ends.outputs.clone());
    options.tracks = ends.tracks.clone();
    options.durability = config.durability;
    options.keep_gaps = config.allow_gaps || is_live;
    options.final_gaps = is_live;
    options.force = config.force;
    options.restart = config.restart || restarts;
    // An output that has its name already is hashed at once, which takes a while for large files.
    let opened = tokio::task::spawn_blocking(move || DiskStore::open(options)).await;
    let opened =
        opened.map_err(|_| Error::new(Kind::Internal, "internal", "the store could not be opened"))?;
    let (mut store, mut recovered) = opened.map_err(Error::state)?;
    let making = store.making();
    // What waits has not been compared with a neighbour that never came as it should.
    if is_doubted && !recovered.replaces {
        recovered.aside.drain(..).for_each(|aside| store.drop_aside(aside.unit));
    }
    Ok((Box::new(store), recovered, making))
}

/// Tells whether a run that ended with this code had segments that did not fit one another, or came as others each time.
fn is_of_doubt(code: &str) -> bool {
    matches!(code, DAMAGED | "segment.apart" | "segment.discontinuous" | "segment.twin")
}

/// What the job is about to do.
pub(crate) fn plan(
    outputs: &[PathBuf],
    tracks: &Tracks,
    (resumed_segments, resumed_bytes): (u64, u64),
) -> Plan {
    let estimates = tracks.0.iter().map(|t| t.estimated_bytes()).collect::<Vec<_>>();
    let known: u64 = estimates.iter().flatten().sum();
    Plan {
        outputs: outputs.to_vec(),
        tracks: tracks.0.iter().map(|t| t.label.clone()).collect(),
        segments: tracks.segments(),
        resumed_segments,
        resumed_bytes,
        duration: tracks.0.iter().map(|t| t.duration()).max().unwrap_or_default(),
        is_live: tracks.is_growing(),
        estimated_bytes: estimates.first().copied().flatten().map(|_| known),
        free_bytes: outputs.first().and_then(|output| space::free_beside(output)),
    }
}
