//! `hls verify`: whether a file is whole.

use std::path::Path;
use std::process::ExitCode;

use hls_sched::{Proof, Unverified, Verified};
use serde_json::{Value, json};

use crate::args::Verify;
use crate::human;
use crate::report::{block, exit_code, json_line, print, say};

/// Finished with gaps: what is there is right.
const WITH_GAPS: u8 = 4;

/// Judges one file.
pub(crate) fn run(args: &Verify) -> ExitCode {
    let name = args.file.display().to_string();
    match hls_sched::verify(&args.file, args.manifest.as_deref()) {
        Ok(verified) => {
            let text = if args.json { whole_json(&name, &verified) } else { whole(&args.file, &verified) };
            match (print(&text), gaps(&verified)) {
                (ExitCode::SUCCESS, 1..) => ExitCode::from(WITH_GAPS),
                (printed, _) => printed,
            }
        }
        Err(unverified) => {
            let code = ExitCode::from(exit_code(unverified.error.kind()));
            say(&block(&unverified.error));
            if args.json {
                print(&not_whole_json(&name, &unverified));
            }
            code
        }
    }
}

fn whole(file: &Path, verified: &Verified) -> String {
    let name = hls_fetch::escaped(&file.display().to_string(), 1000);
    let bytes = human::bytes(verified.bytes);
    match &verified.by {
        Proof::Manifest { segments, gaps: gaps @ 1.., sha256, .. } => {
            let (segments, gaps) = (human::count(*segments, "piece"), human::count(*gaps, "segment"));
            format!(
                "{name}: every byte as it was downloaded, and {gaps} missing since then: {segments}, {bytes}, SHA-256 {sha256}\n"
            )
        }
        Proof::Manifest { segments, sha256, .. } => {
            let segments = human::count(*segments, "piece");
            format!("{name}: whole, every byte as it was downloaded: {segments}, {bytes}, SHA-256 {sha256}\n")
        }
        Proof::Container { name: container, .. } if verified.gaps > 0 => {
            let gaps = human::count(verified.gaps, "segment");
            format!(
                "{name}: {gaps} missing since it was downloaded, the rest is right as far as {container} can tell, {bytes}\n"
            )
        }
        Proof::Container { name: container, means } => {
            format!("{name}: whole as far as {container} can tell, {bytes}: {means}\n")
        }
        _ => format!("{name}: whole, {bytes}\n"),
    }
}

fn gaps(verified: &Verified) -> u64 {
    verified.gaps
}

fn whole_json(name: &str, verified: &Verified) -> String {
    let mut object = json!({
        "schema": 1, "file": name, "whole": gaps(verified) == 0, "gaps": gaps(verified), "bytes": verified.bytes,
    });
    let more = match &verified.by {
        Proof::Manifest { path, segments, sha256, .. } => json!({
            "by": "manifest", "manifest": path.display().to_string(), "pieces": segments, "sha256": sha256,
        }),
        Proof::Container { name, means } => json!({"by": "container", "container": name, "means": means}),
        _ => json!({}),
    };
    extend(&mut object, more);
    json_line(&object)
}

fn not_whole_json(name: &str, unverified: &Unverified) -> String {
    let Unverified { error, first_difference, problems, .. } = unverified;
    // Whether it is whole is not known where it can't be judged.
    let whole = (error.kind() == hls_sched::Kind::Content).then_some(false);
    let difference = first_difference.map(|d| {
        json!({
            "track": d.track, "index": d.index, "sequence": d.sequence, "offset": d.offset,
            "length": d.length,
        })
    });
    let problems = problems.iter().map(|wrong| {
        json!({
            "problem": wrong.name, "track": wrong.track, "at": wrong.at, "samples": wrong.samples,
            "message": wrong.message,
        })
    });
    let problems = problems.collect::<Vec<_>>();
    let mut object = json!({
        "schema": 1, "file": name, "whole": whole, "first_difference": difference, "problems": problems,
    });
    extend(
        &mut object,
        json!({
            "code": exit_code(error.kind()), "kind": error.code(), "message": error.to_string(),
            "where": error.place(), "why": error.reason(), "next": error.advice(),
        }),
    );
    json_line(&object)
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
