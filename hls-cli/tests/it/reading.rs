//! `hls info --reading`: the program over every public playlist beside the checkout, value by value.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs, io::Write as _};

use serde_json::{Value, json};

use crate::support::{Folder, Outcome, Run};

/// What is read differently on purpose: playlist, field, reason.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    // Section 4.1 ends lines with LF or CRLF; reading none of a text without any LF helps nobody.
    ("handmade-edge/e03_cr_only", "n_segments", "a text without line feeds is read by its carriage returns"),
    ("handmade-edge/e03_cr_only", "target_duration", "the same"),
    ("handmade-edge/e03_cr_only", "total_duration", "the same"),
    // Section 4.4.4.4 requires METHOD; a tag with a key URI must not make encrypted bytes pass for clear.
    (
        "kuu-hls-parser-spec/4.3.2.4_EXT-X-KEY__EXT-X-KEY_02__FAIL",
        "segments.key",
        "a key without METHOD is kept",
    ),
];

#[test]
fn corpus() -> Outcome {
    let Some(root) = find() else {
        println!("SKIPPED corpus: set HLS_CORPUS to its folder");
        assert_ne!(env::var("HLS_CI_STRICT").as_deref(), Ok("1"), "the corpus is missing");
        return Ok(());
    };
    let folder = Folder::new()?;
    let (mut playlists, mut fields, mut failures) = (0, 0, Vec::new());
    for path in expectations(&root)? {
        let name = path.strip_prefix(&root)?.to_string_lossy().replace(".expected.json", "");
        let entry: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let base = entry["base_uri"].as_str().ok_or("no base_uri")?;
        let file = root.join(format!("{name}.m3u8"));
        let mut command = folder.hls(&["info", "--reading", "--base", base]);
        let output = command.arg(file).output()?;
        let got: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("{name}: {e}"))?;
        let code = if got["kind"] == "error" { 7 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{name}");
        playlists += 1;
        let confirmed = entry["confirmed_fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for field in confirmed {
            fields += 1;
            let (want, have) = (pick(&entry["expected"], field), pick(&got, field));
            let is_known = EXCEPTIONS.iter().any(|(n, f, _)| *n == name && *f == field);
            if (want == have) == is_known {
                failures.push(format!("{name}: {field}\n    expected {want}\n    got      {have}"));
            }
        }
    }
    println!("{playlists} playlists, {fields} fields, {} failures", failures.len());
    assert!(playlists > 600, "the corpus is not whole");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

fn find() -> Option<PathBuf> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    env::var_os("HLS_CORPUS").map(PathBuf::from).or_else(beside).filter(|path| path.is_dir())
}

fn expectations(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for file in fs::read_dir(folder)? {
                found.push(file?.path());
            }
        }
    }
    found.retain(|path| path.to_string_lossy().ends_with(".expected.json"));
    found.sort();
    Ok(found)
}

/// Picks `field`, or `list.field` from each entry; of long lists, the corpus has the first and last three.
fn pick(reading: &Value, field: &str) -> Value {
    let Some((list, field)) = field.split_once('.') else { return reading[field].clone() };
    let entries = reading[list].as_array().or_else(|| reading["segments_first_last"].as_array());
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    let ends = entries.len().saturating_sub(3);
    let kept = entries.iter().enumerate().filter(|(n, _)| entries.len() <= 300 || *n < 3 || *n >= ends);
    kept.map(|(_, entry)| entry[field].clone()).collect()
}

#[test]
fn standard_input_and_bytes_that_are_no_text() -> Outcome {
    let folder = Folder::new()?;
    let run = piped(&folder, b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,caf\xe9\na.ts\n")?.ok();
    let reading: Value = serde_json::from_str(&run.out())?;
    assert_eq!(reading["segments"][0]["uri"], json!("https://h/m/a.ts"));
    Ok(())
}

#[test]
fn what_is_no_playlist_is_an_object_too() -> Outcome {
    let run = piped(&Folder::new()?, b"<!doctype html>")?;
    assert_eq!((run.status.code(), run.err.as_str()), (Some(7), ""));
    let reading: Value = serde_json::from_str(&run.out())?;
    let expect = "line 1, column 1: not an HLS playlist: it looks like an HTML page";
    assert_eq!(reading, json!({"kind": "error", "error": expect}));
    Ok(())
}

#[test]
fn variables_come_from_the_multivariant_playlist() -> Outcome {
    let folder = Folder::new()?;
    fs::write(
        folder.file("master.m3u8"),
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"x\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
    )?;
    fs::write(
        folder.file("media.m3u8"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:IMPORT=\"v\"\n#EXTINF:1,\n{$v}.ts\n",
    )?;
    let args = ["info", "--reading", "--base", "https://h/m/i.m3u8", "media.m3u8"];
    assert_eq!(folder.run(&args)?.status.code(), Some(7));
    let run = folder.run(&[&args[..], &["--master", "master.m3u8"]].concat())?.ok();
    assert!(run.out().contains("https://h/m/x.ts"), "{}", run.out());
    folder.run(&[&args[..], &["--master", "none.m3u8"]].concat())?.fails(2, "usage");
    Ok(())
}

fn piped(folder: &Folder, text: &[u8]) -> Result<Run, Box<dyn std::error::Error>> {
    let mut command = folder.hls(&["info", "--reading", "--base", "https://h/m/i.m3u8", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(text)?;
    let output = child.wait_with_output()?;
    Ok(Run { status: output.status, out: output.stdout, err: String::from_utf8(output.stderr)? })
}

#[test]
fn a_url_is_read_from_where_its_answer_came() -> Outcome {
    let origin = hls_testkit::Origin::start();
    origin.put("/m/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:1,\na.ts\n");
    let run = Folder::new()?.run(&["info", "--reading", &origin.url("/m/list.m3u8")])?.ok();
    let reading: Value = serde_json::from_str(&run.out())?;
    assert_eq!(reading["segments"][0]["uri"], json!(origin.url("/m/a.ts")));
    Ok(())
}
