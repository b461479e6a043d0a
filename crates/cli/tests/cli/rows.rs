//! Rows in, columns out: what is read of files and what is saved of each item.

use std::path::Path;
use std::process::Command;

use crate::support::{inflight, lab};

/// Writes a CSV file with what needs quotes.
fn write_input(path: &Path) {
    let mut text = "id,text\r\n".to_owned();
    for id in 0..300 {
        text.push_str(&format!("{id},\"say \"\"hi\"\", {id}\nline two\"\r\n"));
    }
    std::fs::write(path, text).unwrap();
}

/// Runs Python with these arguments; fails with what it says.
fn python(program: &str, arguments: &[&Path]) {
    let output = Command::new("python3")
        .arg("-c")
        .arg(program)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// That the output holds each row of the input once, in order.
const SAME: &str = r"
import csv, gzip, sys
def read(path):
    opener = gzip.open if path.endswith('.gz') else open
    return list(csv.DictReader(opener(path, 'rt', newline='')))
given, saved = read(sys.argv[1]), read(sys.argv[2])
assert len(given) == len(saved) == 300, (len(given), len(saved))
for one, other in zip(given, saved):
    assert one['id'] == other['id'] and one['text'] == other['text'], (one, other)
    assert int(other['n']) == len(one['text']), other
";

#[test]
fn a_csv_file_becomes_another_that_python_reads() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    write_input(&input);
    for name in ["out.csv", "out.csv.gz"] {
        let output = folder.path().join(name);
        let outcome = inflight(&format!(
            "run {} --compute 'jq:{{n: ($row.text | length)}}' --columns 'id,text,n=.n' --save file:{} --keep-order",
            input.display(),
            output.display()
        ));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        python(SAME, &[&input, &output]);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("in.csv", "\u{feff}id,name\n1,a\n"),
        ("in.tsv", "\u{feff}id\tname\r\n1\ta\r\n"),
    ] {
        let input = folder.path().join(name);
        std::fs::write(&input, text).unwrap();
        let output = folder.path().join(format!("{name}.out.csv"));
        let (input, saved) = (input.display(), output.display());
        inflight(&format!(
            "run {input} --columns id,name --save file:{saved} --no-journal"
        ))
        .expect(0);
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "id,name\n1,a\n");
    }
}

#[test]
fn what_is_no_column_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    write_input(&input);
    let output = folder.path().join("out.csv");
    let refused = |flags: &str, part: &str| {
        let line = format!(
            "run {} --save file:{} {flags}",
            input.display(),
            output.display()
        );
        let outcome = inflight(&line);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
        assert!(!output.exists());
    };
    refused("--columns txt", "did you mean `text`? fields: id, text");
    refused("--columns 'a=.x | lenth'", "did you mean `length`?");
    refused("--columns id,id", "`id` is there twice");
    refused("--field txt", "did you mean `text`?");
    refused("--compute 'jq:.a ]'", "jq filter `.a ]`");
    let outcome = inflight(&format!(
        "run {} --save null: --columns id",
        input.display()
    ));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("--columns"), "{}", outcome.stderr);
}

#[test]
fn more_is_added_under_the_same_header_only() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.csv");
    let run = |columns: &str| {
        inflight(&format!(
            "run 0..3 --no-journal --keep-order --append --columns {columns} --save file:{}",
            output.display()
        ))
    };
    assert_eq!(run("index,double=.*2").code, 0);
    assert_eq!(run("index,double=.*2").code, 0);
    let text = std::fs::read_to_string(&output).unwrap();
    assert_eq!(text, "index,double\n0,0\n1,2\n2,4\n0,0\n1,2\n2,4\n");
    let other = run("index,triple=.*3");
    assert_eq!(other.code, 2);
    assert!(
        other.stderr.contains("has other columns"),
        "{}",
        other.stderr
    );
}

#[test]
fn a_stopped_run_goes_on_within_csv_and_writes_its_header_once() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    write_input(&input);
    for name in ["out.csv", "out.csv.gz"] {
        let output = folder.path().join(name);
        let journal = folder.path().join(format!("{name}.journal"));
        let run = |flags: &str| {
            inflight(&format!(
                "run {} --compute sleep:5ms -j 1 --columns id,text,n='($row.text|length)' --save file:{} --journal {} \
                 --keep-order {flags}",
                input.display(),
                output.display(),
                journal.display()
            ))
        };
        assert_eq!(run("--deadline 400ms").code, 4);
        let outcome = run("");
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        python(SAME, &[&input, &output]);
    }
}

#[test]
fn answers_to_saves_are_kept_as_columns() {
    let (_lab, address) = lab("--rest");
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    std::fs::write(&input, "id,name\n1,\"Kim, A\"\n2,Lee\n").unwrap();
    let run = |output: &str, flags: &str| {
        inflight(&format!(
            "run {} --save 'PUT http://{address}/things/{{id}}' --responses {} --keep-order {flags}",
            input.display(),
            folder.path().join(output).display(),
        ))
    };
    let body = "--save-body '{\"name\":\"{name}\"}'";
    let columns = "--columns 'id,status=$status,said=.name'";
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    run("out.csv", &format!("{body} {columns}")).expect(0);
    assert_eq!(
        read("out.csv"),
        "id,status,said\n1,201,\"Kim, A\"\n2,201,Lee\n"
    );
    run("out.jsonl", &format!("{body} {columns}")).expect(0);
    assert_eq!(
        read("out.jsonl"),
        "{\"id\":\"1\",\"status\":200,\"said\":\"Kim, A\"}\n{\"id\":\"2\",\"status\":200,\"said\":\"Lee\"}\n"
    );
    // What cannot be made of an answer is a dead letter that says so.
    let dead = run(
        "dead.jsonl",
        &format!("{body} --columns 'id,said=.name.first'"),
    );
    assert!(
        dead.stderr.contains("jq filter `.name.first`"),
        "{}",
        dead.stderr
    );
    assert_eq!(dead.expect(3).counts(), "saved=0 dead=2 in_doubt=0 left=0");
    let refused = run("more.csv", body).expect(2);
    assert!(
        refused.stderr.contains("CSV needs columns"),
        "{}",
        refused.stderr
    );
    let refused = run("more.csv", &format!("--save-body json {columns}")).expect(2);
    assert!(
        refused.stderr.contains("both the body and --responses"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_column_that_nothing_fills_is_refused_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    std::fs::write(&input, "id,text\n1,a\n2,b\n").unwrap();
    let save = format!("--save file:{}", folder.path().join("out.csv").display());
    let run = |rest: &str| inflight(&format!("run {} {save} {rest}", input.display()));
    for rest in [
        "--columns 'id,v=.txet'",
        "--columns 'id,v=$row.txet' --compute sha256",
        "--compute 'jq:.txet'",
        "--compute 'jq:{a: $row.txet}'",
    ] {
        let refused = run(rest).expect(2);
        for part in ["`txet` is no field of the input", "did you mean `text`?"] {
            assert!(refused.stderr.contains(part), "{rest}: {}", refused.stderr);
        }
    }
    // What an answer or a result holds is known at the end.
    let outcome = run("--compute 'jq:{a: 1}' --columns 'id,a=.a,b=.b'").expect(0);
    let said = "column `b` is empty in all of 2 results: `.b` found nothing there";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("column `a`"), "{}", outcome.stderr);
}

#[test]
fn an_input_without_items_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("header.csv", "id,text\n"),
        ("nothing.csv", ""),
        ("a.txt", ""),
    ] {
        let input = folder.path().join(name);
        std::fs::write(&input, text).unwrap();
        let outcome = inflight(&format!("run {} --save null:", input.display())).expect(0);
        assert!(
            outcome.stderr.contains("holds no items"),
            "{name}: {}",
            outcome.stderr
        );
    }
}
