//! What is made of the definition of the command line is what the documents say.

use std::fs;
use std::path::Path;

use crate::support::{Folder, Outcome, Run, SECRET};

fn docs(name: &str) -> Result<String, std::io::Error> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name))
}

#[test]
fn the_reference_is_that_of_this_program() -> Outcome {
    let written = Folder::new()?.run(&["generate", "markdown"])?.ok().out();
    assert!(
        docs("cli.md")? == written,
        "docs/cli.md is another: cargo run -p hls-cli -- generate markdown > docs/cli.md"
    );
    Ok(())
}

#[test]
fn the_manual_has_the_exit_codes_of_the_documents() -> Outcome {
    let page = Folder::new()?.run(&["generate", "man"])?.ok().out().replace("\\-", "-");
    let errors = docs("errors.md")?;
    let table = errors.split("## Exit codes").nth(1).ok_or("no exit codes")?;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let mut codes = 0;
    for row in rows.filter(|row| !row.starts_with("code ")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let entry = format!(".TP\n\\fB{}\\fR\n{}\n", cells[0], cells[1].replace('`', ""));
        assert!(page.contains(&entry), "{entry}");
        codes += 1;
    }
    assert_eq!(
        page.split("EXIT STATUS")
            .nth(1)
            .ok_or("no exit status")?
            .split(".SH")
            .next()
            .map(|s| s.matches(".TP").count()),
        Some(codes)
    );
    Ok(())
}

#[test]
fn a_page_about_nothing_is_a_mistake() -> Outcome {
    let run = Folder::new()?.run(&["generate", "man", "nothing"])?;
    assert_eq!(run.status.code(), Some(2));
    assert!(run.err.contains("get, info, jobs, verify"), "{}", run.err);
    Ok(())
}

#[test]
fn the_long_version_has_no_credentials() -> Outcome {
    let folder = Folder::new()?;
    let mut command = folder.hls(&["--version", "-v"]);
    command.env("https_proxy", format!("http://me:{SECRET}@127.0.0.1:9"));
    let said = Run::of(&mut command)?.ok().out();
    for expect in ["hls ", "system: ", "features: ", "open files: ", "@127.0.0.1:9", "TLS roots: ", "disk: "]
    {
        assert!(said.contains(expect), "{expect:?} is not in {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
    Ok(())
}
