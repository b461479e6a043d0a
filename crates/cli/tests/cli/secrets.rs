//! A canary in every place where a secret can stand: not one byte of it is in anything that is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::lab;

const CANARY: &str = "c4n4ry-do-not-print";

/// Everything that a command wrote: its streams, and each file under the folder.
fn written(folder: &Path, line: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_inflight"))
        .args(line)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder)
        .env("TOKEN", CANARY)
        .output()
        .unwrap();
    let mut written = [output.stdout, output.stderr].concat();
    collect(folder, &mut written);
    assert!(!written.is_empty());
    written
}

fn collect(folder: &Path, written: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, written);
        } else if path.file_name().is_none_or(|name| name != "secret") {
            written.extend(path.to_string_lossy().into_owned().into_bytes());
            written.extend(fs::read(&path).unwrap());
        }
    }
}

#[test]
fn no_secret_is_written_anywhere() {
    let (_lab, address) =
        lab("--latency 2ms --fail 5% --reset 5% --after-apply 5% --stall 1% --fail-match 7");
    let url = format!("http://{address}/add");
    let with_userinfo = format!("http://user:{CANARY}@{address}/add");
    let with_query = format!("{url}?token={CANARY}&table=t");
    let nowhere = format!("http://user:{CANARY}@127.0.0.1:1/add?api_key={CANARY}");
    let fetch = format!("http://user:{CANARY}@{address}/items/{{}}?sig={CANARY}");
    let common = [
        "--timeout",
        "300ms",
        "--retries",
        "1",
        "-v",
        "--json",
        "out.json",
        "--responses",
        "answers.jsonl",
    ];
    for more in [
        [
            "--save",
            &url,
            "--header",
            "Authorization: Bearer env:TOKEN",
        ]
        .as_slice(),
        &["--save", &url, "--header", "X-Api-Key: file:secret"],
        &["--save", &with_userinfo],
        &["--save", &with_query],
        &["--save", &with_userinfo, "--deadline", "50ms"],
        &["--save", &nowhere, "--deadline", "2s"],
        &["--save", &url, "--fetch", &fetch],
        &[
            "--save",
            &url,
            "--fetch",
            &fetch,
            "--fetch-header",
            "Cookie: env:TOKEN",
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), CANARY).unwrap();
        let line = [["run", "0..300"].as_slice(), &common, more].concat();
        let mut all = written(folder.path(), &line);
        let journals = journals(folder.path());
        for journal in &journals {
            all.extend(written(folder.path(), &["journal", "show", journal]));
            all.extend(written(folder.path(), &["dead-letters", "list", journal]));
            all.extend(written(
                folder.path(),
                &["dead-letters", "retry", "--trust", journal],
            ));
        }
        assert!(!journals.is_empty(), "a journal is among what is searched");
        let at = all
            .windows(CANARY.len())
            .position(|bytes| bytes == CANARY.as_bytes());
        if let Some(at) = at {
            let around = &all[at.saturating_sub(200)..(at + 50).min(all.len())];
            panic!("{more:?}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn journals(folder: &Path) -> Vec<String> {
    let jobs = fs::read_dir(folder.join("inflight/jobs")).unwrap();
    let journal = |job: std::io::Result<fs::DirEntry>| job.unwrap().path().join("journal");
    jobs.map(|job| journal(job).display().to_string()).collect()
}
