//! What is kept beside the log for whoever lists jobs, or goes on with one: a help, never a need.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::Context as _;
use crate::record::FORMAT;
use crate::{Error, Kind, Layout, sys};

/// A longer one is not ours.
const LARGEST: u64 = 64 << 20;

/// What a log can't say of a job: where its bytes come from, how many units it will have, how the last run ended.
///
/// Losing it loses nothing but words: a job goes on without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memo {
    /// Where the bytes come from, without secrets.
    pub source: String,
    /// Nothing had to be left out of [`source`](Self::source): it is all that a new run has to be told.
    pub source_is_whole: bool,
    /// Words of a command line that the next run needs too, without secrets.
    pub options: Vec<String>,
    /// All the words that the next run needs, secrets included: only where the user asked for that.
    pub remembered: Option<Vec<String>>,
    /// `remembered` was there, but others could have written it.
    pub distrusted: bool,
    /// What was chosen of several, in words of the engine: the next run chooses the same again. No secrets.
    pub choice: BTreeMap<String, String>,
    /// The outputs, the main one first.
    pub outputs: Vec<Expected>,
    /// How the last run ended; `None` where nothing said so: it runs, or it was killed.
    pub ended: Option<Ended>,
}

/// What is known of an output before it is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// The name of its file, in the folder of the main output.
    pub name: String,
    /// Its units.
    pub units: u64,
    /// Places of the units that are no segments of their own.
    pub uncounted: Vec<u64>,
    /// About how many bytes it will have.
    pub estimated_bytes: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// A stable symbol.
    pub code: String,
    /// In words, without secrets.
    pub message: String,
}

impl Expected {
    /// An output of so many units.
    #[must_use]
    pub fn new(name: String, units: u64, uncounted: Vec<u64>) -> Self {
        Self { name, units, uncounted, estimated_bytes: None }
    }

    /// The segments among its units.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.units.saturating_sub(self.uncounted.len() as u64)
    }

    /// Whether the unit at this place is a segment.
    #[must_use]
    pub fn counts(&self, index: u64) -> bool {
        self.uncounted.binary_search(&index).is_err()
    }
}

impl Ended {
    /// An end with a symbol and words.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl Memo {
    /// What is kept of the job of a main output; nothing where that is missing, damaged or of a newer version.
    #[must_use]
    pub fn of(output: &Path) -> Option<Self> {
        Self::read(&Layout::new(vec![output.to_owned()])?).ok()?
    }

    /// Reads what is kept of a job; nothing where it is missing or damaged.
    ///
    /// # Errors
    /// [`Kind::Newer`] alone.
    pub(crate) fn read(layout: &Layout) -> Result<Option<Self>, Error> {
        let path = layout.memo();
        let Ok(file) = sys::open_options(true).read(true).open(&path) else { return Ok(None) };
        let is_ours = sys::is_ours_alone(&file) && sys::is_folder_of_ours(layout.folder());
        let mut bytes = Vec::new();
        if file.take(LARGEST).read_to_end(&mut bytes).is_err() {
            return Ok(None);
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else { return Ok(None) };
        let Some(format) = fields.get("format").and_then(Value::as_u64) else { return Ok(None) };
        if format > u64::from(FORMAT) {
            let format = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(Error::new(Kind::Newer { format }, "written by a newer version:", &path));
        }
        let mut memo = Self::from_fields(&fields);
        if !is_ours {
            memo.distrusted = memo.remembered.take().is_some();
        }
        Ok(Some(memo))
    }

    /// Puts it in the folder of a job, in place of an older one; one of a newer version stays.
    pub(crate) fn write(&self, layout: &Layout) -> Result<(), Error> {
        Self::read(layout)?;
        let (path, fresh) = (layout.memo(), layout.memo().with_extension("new"));
        let text = format!("{:#}\n", self.to_json());
        let replaced =
            create(&fresh, &text).and_then(|()| std::fs::rename(&fresh, &path).at("can't rename", &fresh));
        replaced.or_else(|error| {
            // On a full disk there may still be room in the old one, to say that it is full.
            let _ = std::fs::remove_file(&fresh);
            overwrite(&path, &text).map_err(|_| error)
        })
    }

    fn to_json(&self) -> Value {
        let outputs: Vec<_> = self
            .outputs
            .iter()
            .map(|o| {
                json!({
                    "name": o.name, "units": o.units, "uncounted": o.uncounted,
                    "estimated_bytes": o.estimated_bytes,
                })
            })
            .collect();
        json!({
            "format": FORMAT,
            "source": self.source,
            "source_is_whole": self.source_is_whole,
            "options": self.options,
            "remembered": self.remembered,
            "choice": self.choice,
            "outputs": outputs,
            "ended": self.ended.as_ref().map(|e| json!({"code": e.code, "message": e.message})),
        })
    }

    fn from_fields(fields: &Map<String, Value>) -> Self {
        let outputs = fields.get("outputs").and_then(Value::as_array).into_iter().flatten();
        let ended = fields.get("ended").filter(|e| e.is_object());
        Self {
            source: text(fields.get("source")),
            source_is_whole: fields.get("source_is_whole") == Some(&Value::Bool(true)),
            options: words(fields.get("options")).unwrap_or_default(),
            remembered: words(fields.get("remembered")),
            distrusted: false,
            choice: choice(fields.get("choice")),
            outputs: outputs.map(expected).collect(),
            ended: ended.map(|e| Ended::new(text(e.get("code")), text(e.get("message")))),
        }
    }
}

fn create(path: &Path, text: &str) -> Result<(), Error> {
    let _ = std::fs::remove_file(path);
    let mut options = sys::open_options(true);
    let file: File = options.write(true).create_new(true).open(path).at("can't create", path)?;
    sys::write_all_at(&file, text.as_bytes(), 0).at("can't write", path)
}

fn overwrite(path: &Path, text: &str) -> std::io::Result<()> {
    let file = sys::open_options(true).write(true).open(path)?;
    sys::write_all_at(&file, text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

fn expected(value: &Value) -> Expected {
    let places = value.get("uncounted").and_then(Value::as_array).into_iter().flatten();
    let mut uncounted: Vec<u64> = places.filter_map(Value::as_u64).collect();
    uncounted.sort_unstable();
    Expected {
        name: text(value.get("name")),
        units: value.get("units").and_then(Value::as_u64).unwrap_or(0),
        uncounted,
        estimated_bytes: value.get("estimated_bytes").and_then(Value::as_u64),
    }
}

fn choice(value: Option<&Value>) -> BTreeMap<String, String> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// All of them, or none: a command that lacks a word is another command.
fn words(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

/// Whether a name stays in its folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|n| n == name) && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &Path) -> Layout {
        let layout = Layout::new(vec![folder.join("a.ts")]).unwrap();
        sys::create_private_folder(layout.folder()).unwrap();
        layout
    }

    fn memo() -> Memo {
        Memo {
            source: "https://h/p".to_owned(),
            source_is_whole: true,
            options: vec!["-s".to_owned(), "720p".to_owned()],
            remembered: Some(vec!["https://h/p?token=1".to_owned()]),
            distrusted: false,
            choice: [("path".to_owned(), "abc".to_owned())].into(),
            outputs: vec![Expected::new("a.ts".to_owned(), 9, vec![0, 4])],
            ended: Some(Ended::new("segment.status", "segment 3: status 404")),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        assert_eq!(Memo::read(&layout).unwrap(), None);
        let memo = memo();
        for _ in 0..2 {
            memo.write(&layout).unwrap();
            assert_eq!(Memo::read(&layout).unwrap().as_ref(), Some(&memo));
            assert_eq!(Memo::of(&folder.path().join("a.ts")).as_ref(), Some(&memo));
        }
        assert_eq!(std::fs::read_dir(layout.folder()).unwrap().count(), 1);
        let output = &memo.outputs[0];
        assert_eq!((output.segments(), output.counts(4), output.counts(5)), (7, false, true));
    }

    #[test]
    fn where_nothing_can_be_created_the_old_one_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        std::fs::create_dir(layout.memo().with_extension("new")).unwrap();
        assert!(memo().write(&layout).is_err());
        std::fs::remove_dir(layout.memo().with_extension("new")).unwrap();
        memo().write(&layout).unwrap();
        std::fs::create_dir(layout.memo().with_extension("new")).unwrap();
        let mut full = memo();
        full.ended = Some(Ended::new("disk.full", ""));
        full.write(&layout).unwrap();
        assert_eq!(Memo::read(&layout).unwrap(), Some(full));
    }

    #[test]
    fn damage_is_no_error_and_a_newer_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        for text in ["", "{", "[]", "{}", "{\"format\":\"x\"}", "\0\0\0\0"] {
            std::fs::write(layout.memo(), text).unwrap();
            assert_eq!(Memo::read(&layout).unwrap(), None, "{text:?}");
        }
        std::fs::write(layout.memo(), "{\"format\":0,\"outputs\":[1,{\"units\":-1}],\"options\":[1]}")
            .unwrap();
        let odd = Memo::read(&layout).unwrap().unwrap();
        assert_eq!((odd.outputs.len(), odd.options.len()), (2, 0));
        let newer = "{\"format\":7,\"what\":\"is new\"}";
        std::fs::write(layout.memo(), newer).unwrap();
        assert_eq!(memo().write(&layout).unwrap_err().kind(), Kind::Newer { format: 7 });
        assert_eq!(std::fs::read_to_string(layout.memo()).unwrap(), newer);
    }

    #[test]
    #[cfg(unix)]
    fn what_others_could_have_written_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        memo().write(&layout).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        assert_eq!(std::fs::metadata(layout.memo()).unwrap().permissions().mode() & 0o777, 0o600);
        for (file, above, trusted) in
            [(0o600, 0o700, true), (0o620, 0o700, false), (0o644, 0o700, false), (0o600, 0o770, false)]
        {
            mode(&layout.memo(), file);
            mode(layout.folder(), above);
            let read = Memo::read(&layout).unwrap().unwrap();
            assert_eq!(
                (read.remembered.is_some(), read.distrusted),
                (trusted, !trusted),
                "{file:o} {above:o}"
            );
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        for (name, plain) in [("a.ts", true), ("", false), ("..", false), ("b/a", false), ("/a", false)] {
            assert_eq!(is_plain_name(name), plain, "{name:?}");
        }
    }
}
