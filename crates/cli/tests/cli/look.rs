//! A job looked at before it is run: `run --dry-run`, `try`, and `init` with an input.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{get, inflight, inflight_in, inflight_with_env, lab};

const ROWS: &str = "{\"id\":1,\"text\":\"it's \\\"so\\\" $HOME\"}\n{\"id\":2,\"text\":\"two\\nlines\"}\n{\"id\":3,\"text\":\"c\"}\n{\"id\":4,\"text\":\"d\"}\n";

fn input(folder: &Path) -> String {
    let path = folder.join("rows.jsonl");
    fs::write(&path, ROWS).unwrap();
    path.display().to_string()
}

#[test]
fn curl_sends_what_a_dry_run_shows_and_the_dry_run_sends_nothing() {
    let (_lab, address) = lab("");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let line = format!(
        "run {} --save http://{address}/add --save-body json --header 'Authorization: Bearer env:CANARY' --dry-run -n 2",
        input(folder.path())
    );
    let env = [
        ("XDG_STATE_HOME", state.to_str().unwrap()),
        ("CANARY", "canary-token"),
    ];
    let shown = inflight_with_env(&line, &env).expect(0);
    assert!(!shown.stdout.contains("canary-token"), "{}", shown.stdout);
    assert!(!state.exists(), "something was kept");
    assert!(get(&address, "/stats").contains("\"received\":0"));
    let script = Command::new("sh")
        .args(["-e", "-c", &shown.stdout])
        .env("CANARY", "canary-token")
        .output()
        .unwrap();
    assert!(script.status.success(), "{}", shown.stdout);
    assert!(get(&address, "/stats").contains("\"received\":2"));
    // What the run itself sends later has the same keys: the lab knows both.
    let line = line.replace(" --dry-run -n 2", "");
    inflight_with_env(&line, &env).expect(0);
    let stats = get(&address, "/stats");
    assert!(stats.contains("\"distinct\":4"), "{stats}");
}

#[test]
fn a_dry_run_says_what_would_be_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, "{\"id\":1}\nnonsense\n").unwrap();
    let line = format!("run {} --save null: --dry-run", path.display());
    let shown = inflight(&line).expect(3);
    assert!(
        shown.stdout.contains("# item 1 would be a dead letter: "),
        "{}",
        shown.stdout
    );
    let refused = inflight("run 0..5 --save null: -n 2").expect(2);
    assert!(refused.stderr.contains("--dry-run"), "{}", refused.stderr);
}

#[test]
fn try_shows_each_step_and_saves_only_when_told() {
    let (_lab, address) = lab("");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let line = format!(
        "try {} --fetch http://{address}/items/{{id}} --save file:{} -n 2",
        input(folder.path()),
        out.display()
    );
    let tried = inflight_in(folder.path(), &line, "").expect(0);
    for part in [
        "item 0: ",
        "/items/1",
        "answer:",
        "save, not written:",
        "\"index\":1",
    ] {
        assert!(tried.stdout.contains(part), "{part}: {}", tried.stdout);
    }
    assert!(!out.exists());
    inflight_in(folder.path(), &format!("{line} --save-too"), "").expect(0);
    let saved = fs::read_to_string(&out).unwrap();
    assert_eq!(saved.lines().count(), 2, "{saved}");
}

#[test]
fn a_look_shows_which_column_of_a_table_gets_what() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("out.db");
    let line = format!(
        "run {} --columns 'id,double=.id*2,text' --save 'sqlite:{}?table=t' --dry-run -n 1",
        input(folder.path()),
        database.display()
    );
    let shown = inflight(&line).expect(0);
    let row = "# saved: {\"index\":0,\"id\":1,\"double\":2,\"text\":\"it's \\\"so\\\" $HOME\"}";
    assert!(shown.stdout.contains(row), "{}", shown.stdout);
    assert!(!database.exists());
}

#[test]
fn init_lists_the_fields_of_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let rows = input(folder.path());
    let job = folder.path().join("night.toml");
    inflight(&format!("init {rows} --output {}", job.display())).expect(0);
    let text = fs::read_to_string(&job).unwrap();
    for part in [
        "#   id    1, 2, 3\n",
        "#   text  \"it's",
        "/items/{id}\"",
        "input = ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    inflight(&format!("run {} --dry-run", job.display())).expect(0);
    let refused = inflight("init /no/such/file.jsonl").expect(2);
    assert!(
        refused.stderr.contains("/no/such/file.jsonl"),
        "{}",
        refused.stderr
    );
}
