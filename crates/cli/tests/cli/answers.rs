//! Answers that are large, packed or in another charset: right or said, and never more memory than they may take.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::{inflight, inflight_in};

/// Bytes of an answer that holds many: more than are taken unless asked for.
const LARGE: usize = 20 << 20;

/// Bytes that a bomb would become.
const BOMB: usize = 1 << 30;

/// The most memory that a run may take for one, in KiB.
const PEAK_MAX_KIB: u64 = 64 << 10;

/// A service whose answers depend on the path; its thread ends with the process.
fn serve(answer: impl Fn(&str) -> (&'static str, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut first = String::new();
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                if first.is_empty() {
                    first.clone_from(&line);
                }
                line.clear();
            }
            let (headers, body) = answer(first.split(' ').nth(1).unwrap_or_default());
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                body.len()
            );
            // Whoever has read enough hangs up.
            let _ = stream
                .get_mut()
                .write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

/// So many zeros, packed by this.
fn zeros<W: Write>(mut packer: W, finish: fn(W) -> Vec<u8>) -> Vec<u8> {
    let piece = vec![0; 1 << 20];
    for _ in 0..BOMB >> 20 {
        packer.write_all(&piece).unwrap();
    }
    finish(packer)
}

#[test]
fn an_answer_is_whole_or_a_dead_letter_and_text_is_text() {
    let url = serve(|path| match path {
        "/large" => ("", vec![b'x'; LARGE]),
        _ => (
            "content-type: text/plain; charset=iso-8859-1\r\n",
            b"caf\xe9".to_vec(),
        ),
    });
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    fs::write(&input, "large\nlatin\n").unwrap();
    let run = |output: &Path, flags: &str| {
        inflight(&format!(
            "run {} --fetch {url}/{{}} --save file:{} --keep-order {flags}",
            input.display(),
            output.display()
        ))
    };
    let output = folder.path().join("out.jsonl");
    let outcome = run(&output, "").expect(3);
    assert!(
        outcome.stderr.contains("dead: item 0, fetch: ") && outcome.stderr.contains("--answer-max"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        "{\"index\":1,\"result\":\"café\"}\n"
    );
    let output = folder.path().join("whole.jsonl");
    run(&output, "--answer-max 32MiB").expect(0);
    let text = fs::read_to_string(&output).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let result = first["result"].as_str().unwrap();
    assert!(result.len() == LARGE && result.bytes().all(|byte| byte == b'x'));
}

/// Runs a command and prints the most memory that it held, in KiB; the command of a test is its only child.
const MEASURE: &str = r"
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stderr=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
";

#[test]
fn a_bomb_ends_as_a_fault_within_little_memory() {
    let gzip = zeros(GzEncoder::new(Vec::new(), Compression::best()), |packer| {
        packer.finish().unwrap()
    });
    let deflate = zeros(
        ZlibEncoder::new(Vec::new(), Compression::best()),
        |packer| packer.finish().unwrap(),
    );
    let url = serve(move |path| match path {
        "/gzip" => ("content-encoding: gzip\r\n", gzip.clone()),
        _ => ("content-encoding: deflate\r\n", deflate.clone()),
    });
    let folder = tempfile::tempdir().unwrap();
    for bomb in ["gzip", "deflate"] {
        let input = folder.path().join("in.txt");
        fs::write(&input, bomb).unwrap();
        // More than the bound of what is unpacked may be asked for, and changes nothing.
        for most in ["16MiB", "1GiB"] {
            let fetch = format!("{url}/{{}}");
            let output = Command::new("python3")
                .args(["-c", MEASURE, env!("CARGO_BIN_EXE_inflight"), "run"])
                .arg(&input)
                .args(["--fetch", &fetch, "--save", "null:", "--answer-max", most])
                .args(["--no-journal", "--no-record", "--no-profile"])
                .env("XDG_STATE_HOME", folder.path())
                .output()
                .unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert!(told.contains("dead: item 0, fetch: "), "{told}");
            let peak: u64 = String::from_utf8(output.stdout)
                .unwrap()
                .lines()
                .last()
                .and_then(|line| line.parse().ok())
                .unwrap();
            assert!(peak < PEAK_MAX_KIB, "{bomb}, {most}: {peak} KiB; {told}");
        }
    }
}

#[test]
fn an_answer_of_another_shape_is_a_dead_letter() {
    let url = serve(|path| match path {
        "/7" => ("", br#"{"id": "seven"}"#.to_vec()),
        _ => ("", br#"{"id": 1}"#.to_vec()),
    });
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let schema = folder.path().join("shape.json");
    let run = |shape: &str, code: i32| {
        fs::write(&schema, shape).unwrap();
        let line = format!(
            "run 0..20 --fetch {url}/{{}} --check {} --save null: -c 4 --journal {}",
            schema.display(),
            folder.path().join("journal").display()
        );
        inflight_in(&state, &line, "").expect(code)
    };
    let refused = run(r#"{"type": "objekt"}"#, 2);
    assert!(
        refused.stderr.contains("is no JSON Schema"),
        "{}",
        refused.stderr
    );
    let integer = r#"{"properties": {"id": {"type": "integer"}}}"#;
    let outcome = run(integer, 3);
    let said = "at '/id': want integer, but got string";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(
        outcome.counts().contains("saved=19 dead=1"),
        "{}",
        outcome.stderr
    );
    // Another shape under the same name is another job.
    let other = run("{}", 6);
    assert!(other.stderr.contains("check was"), "{}", other.stderr);
}
