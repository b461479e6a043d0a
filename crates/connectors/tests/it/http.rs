//! HTTP in the clear: every status and break has its verdict, connections are kept, secrets are not.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use inflight::{Connection, Fault, Record, Reply, Service, Verdict};
use inflight_connectors::{
    BodySource, FetchSettings, Fields, HttpFetch, Payload, Row, Sink, SinkSettings, StatusChanges,
};
use inflight_lab::{Config, Lab};

use crate::server::{Asked, Server, answer};
use crate::{connect, record, save, wait};

fn sink(url: &str) -> Sink {
    Sink::parse(url, &SinkSettings::default()).unwrap()
}

fn save_one(sink: &Sink) -> Result<(), Fault> {
    wait(async {
        let mut connection = sink.connect().await?;
        save(&mut connection, &[record(0, "x")]).await?.remove(0)
    })
}

/// Saves one item at a server that answers so; the fault must have this verdict and message part.
fn check(canned: &str, verdict: Verdict, part: &str) -> Fault {
    let server = Server::canned(canned);
    let fault = save_one(&sink(&server.url("/add?secret=canary"))).unwrap_err();
    assert_eq!(fault.verdict(), verdict, "{canned:?}: {fault}");
    assert!(fault.to_string().contains(part), "{canned:?}: {fault}");
    assert!(!fault.to_string().contains("canary"), "{fault}");
    fault
}

#[test]
fn statuses_have_their_verdicts() {
    for (status, verdict) in [
        ("300 Multiple Choices", Verdict::Permanent),
        ("302 Found", Verdict::Permanent),
        ("400 Bad Request", Verdict::Permanent),
        ("404 Not Found", Verdict::Permanent),
        ("408 Request Timeout", Verdict::Transient),
        ("409 Conflict", Verdict::Permanent),
        ("429 Too Many Requests", Verdict::Overload),
        ("500 Internal Server Error", Verdict::Transient),
        ("502 Bad Gateway", Verdict::Transient),
        ("503 Service Unavailable", Verdict::Overload),
    ] {
        let part = format!("answered {status}: what went\x20 wrong");
        check(
            &answer(status, "", "what went\r\n wrong"),
            verdict,
            &part.replace("\x20 ", "   "),
        );
    }
    for status in ["200 OK", "201 Created", "202 Accepted"] {
        let server = Server::canned(&answer(status, "", "fine"));
        save_one(&sink(&server.url("/"))).unwrap();
    }
    let server = Server::canned("HTTP/1.1 204 No Content\r\n\r\n");
    save_one(&sink(&server.url("/"))).unwrap();
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{}", answer("200 OK", "", ""));
    save_one(&sink(&Server::canned(&interim).url("/"))).unwrap();
}

#[test]
fn waits_asked_for_are_passed_on() {
    let wait =
        |status, header| check(&answer(status, header, ""), Verdict::Overload, status).wait_asked();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        wait("429 Too Many Requests", "retry-after: 3\r\n"),
        seconds(3)
    );
    assert_eq!(
        wait("503 Service Unavailable", "Retry-After: 7200\r\n"),
        seconds(3600)
    );
    assert_eq!(
        wait("503 Service Unavailable", "Retry-After: soon\r\n"),
        None
    );
    assert_eq!(wait("503 Service Unavailable", ""), None);
    // Whatever the status, and however it is written.
    for status in [
        "403 Forbidden",
        "400 Bad Request",
        "301 Moved",
        "404 x",
        "500 x",
        "529 x",
    ] {
        let status = status.replace('x', "Odd");
        let shown = &status[..3];
        let ask = |header: &str| {
            check(&answer(&status, header, ""), Verdict::Overload, shown).wait_asked()
        };
        assert_eq!(ask("retry-after: 4, 4\r\n"), seconds(4), "{status}");
        assert_eq!(ask("retry-after-ms: 2000\r\n"), seconds(2), "{status}");
    }
    let used_up = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 5\r\n";
    assert_eq!(wait("403 Forbidden", used_up), seconds(5));
    // To ask for no wait is not to ask for less.
    check(
        &answer("400 Bad Request", "retry-after: 0\r\n", ""),
        Verdict::Permanent,
        "400",
    );
    let fault = check(
        &answer(
            "429 Too Many Requests",
            "retry-after: 99999999999999999999\r\n",
            "",
        ),
        Verdict::Overload,
        "asks for a wait of more than 1 h",
    );
    assert_eq!(fault.wait_asked(), seconds(3600));
}

#[test]
fn statuses_mean_what_the_user_says() {
    let server = Server::start(|asked| {
        let status = String::from_utf8_lossy(&asked.body).into_owned();
        answer(&format!("{status} Odd"), "", "").into_bytes()
    });
    let settings = SinkSettings {
        statuses: StatusChanges::parse("409", "404", "500").unwrap(),
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/"), &settings).unwrap();
    let verdict = |status: &'static str| {
        wait(async {
            let mut connection = connect(&sink).await;
            let outcome = save(&mut connection, &[record(0, status)]).await;
            outcome.err().map(|fault| fault.verdict())
        })
    };
    assert_eq!(verdict("404"), None);
    assert_eq!(verdict("409"), Some(Verdict::Transient));
    assert_eq!(verdict("500"), Some(Verdict::Permanent));
    assert_eq!(verdict("502"), Some(Verdict::Transient));
}

#[test]
fn a_redirect_of_a_save_names_where_it_leads() {
    let moved = answer("301 Moved Permanently", "location: /add/\r\n", "");
    check(
        &moved,
        Verdict::Permanent,
        "301 Moved Permanently, Location /add/",
    );
}

#[test]
fn breaks_have_their_verdicts() {
    check("", Verdict::InDoubt, "no whole answer");
    check(
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf",
        Verdict::InDoubt,
        "no whole",
    );
    check(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf",
        Verdict::Permanent,
        "404",
    );
    check(
        "nonsense close\r\n\r\n",
        Verdict::InDoubt,
        "no whole answer",
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let fault = save_one(&sink(&format!("http://{free}/"))).unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    assert!(
        fault
            .to_string()
            .contains("cannot connect to 127.0.0.1 port"),
        "{fault}"
    );
    let fault = save_one(&sink("http://no-such-host.invalid/")).unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    assert!(
        fault
            .to_string()
            .contains("cannot resolve no-such-host.invalid"),
        "{fault}"
    );
}

#[test]
fn a_name_is_resolved_and_every_address_tried() {
    let server = Server::canned(&answer("200 OK", "", ""));
    let port = server.address.port();
    save_one(&sink(&format!("http://localhost:{port}/"))).unwrap();
}

#[test]
fn connections_are_kept_and_found_closed() {
    let server = Server::start(|asked| {
        let header = if asked.body == b"last" {
            "connection: close\r\n"
        } else {
            ""
        };
        answer("200 OK", header, "fine").into_bytes()
    });
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        for index in 0..50 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, "x")]).await.unwrap();
        }
        save(&mut connection, &[record(50, "last")]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open());
        let fault = save(&mut connection, &[record(51, "x")]).await.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    });
    assert_eq!(server.asked().len(), 51);
    assert!(server.asked().iter().all(|asked| asked.connection == 0));
}

#[test]
fn an_idle_connection_that_the_server_closes_is_found_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    wait(async {
        let sink = sink(&format!("http://{address}/"));
        let mut connection = connect(&sink).await;
        assert!(connection.is_open());
        drop(listener.accept().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open());
    });
}

#[test]
fn requests_say_what_they_are() {
    let server = Server::canned(&answer("200 OK", "", ""));
    let ask = |method: &str, settings: SinkSettings, index, item: &'static str| -> Asked {
        let address = format!("{method} {}", server.url("/add?a=1"));
        let sink = Sink::parse(&address, &settings).unwrap();
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(index, item)]).await.unwrap();
        });
        server.asked().pop().unwrap()
    };
    let plain = ask(
        "",
        SinkSettings {
            job: 5,
            ..SinkSettings::default()
        },
        2,
        "é",
    );
    assert_eq!(plain.line, "POST /add?a=1 HTTP/1.1");
    assert_eq!(plain.body, "é".as_bytes());
    assert_eq!(
        plain.header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let key = plain.header("idempotency-key").unwrap();
    assert!(key.len() == 32 && key.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));

    let json = SinkSettings {
        job: 5,
        body: Some(BodySource::read("json").unwrap()),
        headers: vec!["Content-Type: application/x".into(), "X-Team: night".into()],
        ..SinkSettings::default()
    };
    let json = ask("PUT", json, 2, "é");
    assert_eq!(json.line, "PUT /add?a=1 HTTP/1.1");
    assert_eq!(json.body, r#"{"index":2,"result":"é"}"#.as_bytes());
    assert_eq!(json.header("content-type"), Some("application/x"));
    assert_eq!(json.header("x-team"), Some("night"));
    assert_eq!(
        json.header("idempotency-key"),
        Some(key),
        "job and item only"
    );

    let form = SinkSettings {
        body: Some(BodySource::read("form:r").unwrap()),
        ..SinkSettings::default()
    };
    let form = ask("POST", form, 2, "a b");
    assert_eq!(form.body, b"r=a%20b");
    assert_ne!(form.header("idempotency-key"), Some(key), "another job");
}

#[test]
fn long_responses_are_cut_and_count_as_saved() {
    let long = answer("200 OK", "", &"x".repeat(3 << 20));
    let server = Server::canned(&long);
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        assert!(!connection.is_open());
    });
}

#[test]
fn large_bodies_go_both_ways() {
    let server = Server::start(|asked| {
        let text = asked.body.len().to_string();
        answer("200 OK", "", &(text + &"x".repeat(500_000))).into_bytes()
    });
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        for index in 0..3 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, vec![b'y'; 8 << 20])])
                .await
                .unwrap();
        }
    });
    assert_eq!(server.asked()[2].body.len(), 8 << 20);
}

/// An answer with these headers and bytes for a body.
fn packed(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

const GZIP: &str = "content-encoding: gzip\r\n";

#[test]
fn what_a_service_packs_is_unpacked() {
    let long: String = (0..100_000).map(|number| format!("{number} ")).collect();
    let expected = long.clone();
    let server = Server::start(move |_| packed("200 OK", GZIP, &gzip(long.as_bytes())));
    let (_, bytes) = fetch_one(&server.url("/{}"), "7").unwrap();
    assert!(bytes == expected);
    let offered = "gzip, br, zstd, deflate";
    assert_eq!(server.asked()[0].header("accept-encoding"), Some(offered));

    // Whoever reads no answer asks for none to be packed, and still understands why it was refused.
    let error = gzip(br#"{"error":"name is missing"}"#);
    let server = Server::start(move |_| packed("400 Bad Request", GZIP, &error));
    let fault = save_one(&sink(&server.url("/"))).unwrap_err();
    assert!(fault.to_string().contains("name is missing"), "{fault}");
    assert_eq!(server.asked()[0].header("accept-encoding"), None);

    let latin1 = "content-type: text/plain; charset=iso-8859-1\r\n";
    let server = Server::start(move |_| packed("200 OK", latin1, b"caf\xE9"));
    assert_eq!(fetch_one(&server.url("/{}"), "7").unwrap().1, "caf\u{e9}");
}

#[test]
fn what_cannot_be_read_is_a_fault_that_says_so() {
    let check = |headers: &'static str, body: Vec<u8>, part: &str| {
        let server = Server::start(move |_| packed("200 OK", headers, &body));
        let fault = fetch_one(&server.url("/{}"), "7").unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("content-encoding: compress\r\n", b"x".into(), "`compress`");
    check(
        GZIP,
        b"no gzip at all".into(),
        "encoded as gzip, and damaged",
    );
    check(GZIP, gzip(b"some text")[..12].into(), "ends too early");
    let bomb = gzip(&vec![0; 100 << 20]);
    check(GZIP, bomb, "unpacks to more than");
    let long: Vec<u8> = (0..8 << 20)
        .flat_map(|number: u32| number.to_le_bytes())
        .collect();
    check(GZIP, gzip(&long), "answered more than 16 MiB");
}

#[test]
fn responses_are_kept_whole_or_marked_as_cut() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |most: Option<usize>| {
        let path = folder.path().join(format!("{most:?}.jsonl"));
        let server = Server::start(|_| packed("200 OK", GZIP, &gzip(&[b'x'; 3000])));
        let settings = SinkSettings {
            responses: Some(path),
            answer_bytes_max: most,
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&server.url("/"), &settings).unwrap();
        wait(async {
            let mut connection = sink.connect().await.unwrap();
            let reply = connection.send(&[record(0, "x")]).await.unwrap();
            let line = reply.into_outcomes().remove(0).unwrap().unwrap();
            String::from_utf8(line.into()).unwrap()
        })
    };
    let whole = format!(
        "{{\"index\":0,\"status\":200,\"response\":\"{}\"}}\n",
        "x".repeat(3000)
    );
    assert_eq!(kept(None), whole);
    assert_eq!(kept(Some(3000)), whole);
    let cut = "{\"index\":0,\"status\":200,\"response\":\"xxxxxxx\",\"cut\":true}\n";
    assert_eq!(kept(Some(7)), cut);
}

#[test]
fn responses_are_kept_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("responses.jsonl");
    std::fs::write(&path, "{\"index\":0,").unwrap();
    let server = Server::canned(&answer("201 Created", "", "id \"7\"\n"));
    let settings = SinkSettings {
        responses: Some(path.clone()),
        // What is there already is another's.
        append: true,
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/"), &settings).unwrap();
    sink.check().unwrap();
    wait(async {
        let mut connection = sink.connect().await.unwrap();
        let reply = connection.send(&[record(0, "x")]).await.unwrap();
        // As a run does with every answer.
        let answer = reply.into_outcomes().remove(0).unwrap();
        sink.keep(&[Record::new(0, answer)]).unwrap();
    });
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"index\":0,\n{\"index\":0,\"status\":201,\"response\":\"id \\\"7\\\"\\n\"}\n"
    );
    let settings = SinkSettings {
        responses: Some("/no/such/dir/x".into()),
        ..SinkSettings::default()
    };
    let message = Sink::parse(&server.url("/"), &settings)
        .unwrap()
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cannot write responses to /no/such/dir/x"),
        "{message}"
    );
}

#[test]
fn secrets_are_sent_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "s3cr3t-canary").unwrap();
    let server = Server::canned(&answer("401 Unauthorized", "", "no s3cr3t-canary here"));
    let settings = SinkSettings {
        headers: vec![format!(
            "Authorization: Bearer file:{}",
            file.path().display()
        )],
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/?token=canary"), &settings).unwrap();
    assert_eq!(sink.to_string(), server.url("/"));
    let fault = save_one(&sink).unwrap_err();
    assert!(
        fault.to_string().ends_with("401 Unauthorized: no *** here"),
        "{fault}"
    );
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some("Bearer s3cr3t-canary")
    );
}

fn fetch_one(template: &str, item: &'static str) -> Result<(u128, bytes::Bytes), Fault> {
    let fetch = HttpFetch::new(template, &FetchSettings::default()).unwrap();
    wait(async {
        let mut connection = fetch.connect().await?;
        match connection.send(&[record(0, item)]).await? {
            Reply::All(mut answers) => answers
                .pop()
                .map(|answer| Ok((answer.key, answer.bytes().clone())))
                .unwrap(),
            Reply::Each(mut outcomes) => outcomes
                .remove(0)
                .map(|answer| (answer.key, answer.bytes().clone())),
        }
    })
}

#[test]
fn items_are_fetched_and_keep_their_key() {
    let server = Server::start(|asked| answer("200 OK", "", &asked.line).into_bytes());
    let (key, bytes) = fetch_one(&server.url("/items/{}?x={}"), "a b/c").unwrap();
    assert_eq!(bytes, "GET /items/a%20b%2Fc?x=a%20b%2Fc HTTP/1.1");
    assert_eq!(key, record(0, "a b/c").value.key);
    let (_, bytes) = fetch_one(&server.url("?x={}"), "7").unwrap();
    assert_eq!(bytes, "GET /?x=7 HTTP/1.1");
    assert_eq!(server.asked()[0].header("idempotency-key"), None);
}

#[test]
fn fetches_follow_wherever_the_answer_lies() {
    let elsewhere = Server::start(|asked| answer("200 OK", "", &asked.line).into_bytes());
    let place = elsewhere.url("/end");
    let server = Server::start(move |asked| {
        let location = match asked.line.split(' ').nth(1).unwrap() {
            "/end" | "/end?next=https://elsewhere/" => {
                return answer("200 OK", "", "there").into_bytes();
            }
            "/absolute" => format!("http://{}/end", asked.header("host").unwrap()),
            "/folder/relative" => "../end".into(),
            "/query" => "/end?next=https://elsewhere/".into(),
            "/loop" => "/loop".into(),
            "/out" => place.clone(),
            "/ftp" => "ftp://127.0.0.1/end".into(),
            "/close" => {
                return answer("302 Found", "location: /end\r\nconnection: close\r\n", "")
                    .into_bytes();
            }
            _ => "/end#fragment".into(),
        };
        answer("302 Found", &format!("location: {location}\r\n"), "moved").into_bytes()
    });
    let all = [
        "plain",
        "absolute",
        "folder/relative",
        "query",
        "close",
        "end",
    ];
    for place in all {
        assert_eq!(
            fetch_one(&server.url("/{+}"), place).unwrap().1,
            "there",
            "{place}"
        );
    }
    let check = |place: &'static str, part: &str| {
        let fault = fetch_one(&server.url("/{}"), place).unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent);
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("loop", "redirects more than 5 times");
    check("ftp", "starts with neither http://");

    // Nothing that was said of one origin goes to another.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "canary").unwrap();
    let settings = FetchSettings {
        headers: vec![
            format!("X-Key: file:{}", file.path().display()),
            "X-Team: night".into(),
        ],
        ..FetchSettings::default()
    };
    let fetch = HttpFetch::new(&server.url("/{}"), &settings).unwrap();
    wait(async {
        let mut connection = fetch.connect().await.unwrap();
        for index in 0..3 {
            connection.send(&[record(index, "out")]).await.unwrap();
        }
    });
    assert_eq!(
        server.asked().last().unwrap().header("x-key"),
        Some("canary")
    );
    let seen = elsewhere.asked();
    assert_eq!(seen.len(), 3);
    for asked in seen {
        assert_eq!(asked.header("x-key"), None);
        assert_eq!(asked.header("x-team"), None);
        assert_eq!(asked.connection, 0, "kept for the next redirect");
        assert_eq!(asked.header("host"), Some(&*elsewhere.address.to_string()));
    }
}

#[test]
fn a_save_is_sent_again_only_where_it_stays_what_it_was() {
    let sent = |status: &'static str, location: &'static str| {
        let server = Server::start(move |asked| {
            if asked.line.contains("/add/") {
                return answer("200 OK", "", "").into_bytes();
            }
            answer(status, &format!("location: {location}\r\n"), "").into_bytes()
        });
        (save_one(&sink(&server.url("/add"))), server.asked())
    };
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let (saved, asked) = sent(status, "add/");
        saved.unwrap();
        assert_eq!(asked[1].line, "POST /add/ HTTP/1.1");
        assert_eq!(asked[1].body, b"x");
        assert_eq!(
            asked[1].header("idempotency-key"),
            asked[0].header("idempotency-key")
        );
        let fault = sent(status, "http://127.0.0.1:1/add/").0.unwrap_err();
        assert!(fault.to_string().contains("stays at its origin"), "{fault}");
    }
    for status in ["301 Moved Permanently", "302 Found", "303 See Other"] {
        let (saved, asked) = sent(status, "/add/");
        let fault = saved.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent);
        assert!(fault.to_string().contains("Location /add/"), "{fault}");
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn a_fetch_by_post_goes_for_its_answer() {
    let server = Server::start(|asked| {
        if asked.line.starts_with("POST") {
            return answer("303 See Other", "location: /answer\r\n", "").into_bytes();
        }
        answer("200 OK", "", &asked.line).into_bytes()
    });
    let address = format!("POST {}", server.url("/ask"));
    let (_, bytes) = fetch_one(&address, "what?").unwrap();
    assert_eq!(bytes, "GET /answer HTTP/1.1");
    let asked = server.asked();
    assert_eq!(asked[0].body, b"what?");
    assert!(asked[0].header("idempotency-key").is_some());
    assert_eq!(
        (&asked[1].body[..], asked[1].header("content-type")),
        (&b""[..], None)
    );
    let broken = Server::canned("");
    let fault = fetch_one(&format!("POST {}", broken.url("/ask")), "x").unwrap_err();
    assert_eq!(
        fault.verdict(),
        Verdict::InDoubt,
        "what changes something is in doubt"
    );
}

#[test]
fn a_row_is_put_into_address_headers_and_body() {
    let server = Server::canned(&answer("200 OK", "", ""));
    let send = |address: &str, body: Option<&str>, row: &'static str| {
        let settings = SinkSettings {
            headers: vec!["X-User: user-{id}".into(), "X-Json: {\"a\":1}".into()],
            body: body.map(|typed| BodySource::read(typed).unwrap()),
            ..SinkSettings::default()
        };
        let address = address.replace("HOST", &server.address.to_string());
        let sink = Sink::parse(&address, &settings).unwrap();
        let record = Record::new(4, Payload::of_row(0, Row::json(row).unwrap()));
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record]).await.map(drop)
        })
    };
    let row = r#"{"id":"a/b","age":41,"name":"x\"y"}"#;
    let body = r#"{"age":"{age}","who":"<{name}>"}"#;
    send("PUT http://HOST/users/{id}{?age}", Some(body), row).unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.line, "PUT /users/a%2Fb?age=41 HTTP/1.1");
    assert_eq!(asked.body, br#"{"age":41,"who":"<x\"y>"}"#);
    assert_eq!(asked.header("x-user"), Some("user-a/b"));
    assert_eq!(asked.header("x-json"), Some("{\"a\":1}"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    send("http://HOST/", None, row).unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(
        (&asked.body[..], asked.header("content-type")),
        (row.as_bytes(), Some("application/json"))
    );
    send("DELETE http://HOST/users/{id}", None, row).unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.line, "DELETE /users/a%2Fb HTTP/1.1");
    assert_eq!(
        (&asked.body[..], asked.header("content-type")),
        (&b""[..], None)
    );
    let before = server.asked().len();
    for (row, part) in [
        (r#"{"id":"a\r\nX-Evil: 1"}"#, "holds a line break"),
        (r#"{"id":null}"#, "field `id` is null"),
        (r#"{"id":""}"#, "field `id` is empty"),
        (r#"{"age":1}"#, "field `id` is"),
        (r#"{"id":".."}"#, ". or .."),
    ] {
        let fault = send("http://HOST/{id}", None, row).unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
        assert!(fault.to_string().contains(part), "{row}: {fault}");
    }
    assert_eq!(
        server.asked().len(),
        before,
        "nothing was sent of what is bad"
    );
}

#[test]
fn what_cannot_be_a_request_is_refused_beforehand() {
    let check = |address: &str, settings: SinkSettings, part: &str| {
        let message = Sink::parse(address, &settings)
            .err()
            .map(|why| why.to_string())
            .unwrap_or_default();
        assert!(message.contains(part), "{address}: {message}");
    };
    let named = || SinkSettings {
        fields: Fields::Named {
            names: vec!["question".into()],
            input: "reviews.csv".into(),
        },
        ..SinkSettings::default()
    };
    let plain = || SinkSettings {
        fields: Fields::None,
        ..SinkSettings::default()
    };
    let guess = "no field \"questoin\" in reviews.csv; did you mean \"question\"?";
    check("http://a/{questoin}", named(), guess);
    check("PUT http://a/{id}", plain(), "{} is the item");
    let body = SinkSettings {
        body: Some(BodySource::read(r#"{"q":"{questoin}"}"#).unwrap()),
        ..named()
    };
    check("http://a/", body, guess);
    let header = SinkSettings {
        headers: vec!["X-Q: {questoin}".into()],
        ..named()
    };
    check("http://a/", header, guess);
    check(
        "DELETE http://a/things",
        plain(),
        "all requests would be the same",
    );
    let gone = SinkSettings {
        is_item_gone: true,
        ..plain()
    };
    check("PUT http://a/{}", gone, "write {result}");
    check("PUT file:x", plain(), "file: takes no method");
    check("put http://a/", plain(), "method `put` cannot be used");
    check("{+url}", plain(), "unknown scheme");
    assert!(HttpFetch::new("http://a/items", &FetchSettings::default()).is_err());
    assert!(HttpFetch::new("{+url}", &FetchSettings::default()).is_err());
}

#[test]
fn an_answer_says_what_it_has_cost() {
    let server = Server::start(|asked| {
        let is_counted = asked.line.contains("/7");
        let body = if is_counted {
            r#"{"usage":{"total_tokens":42}}"#
        } else {
            r#"{"usage":{"total_tokens":null}}"#
        };
        answer("200 OK", "", body).into_bytes()
    });
    let cost = |counts_tokens, item: &'static str| {
        let settings = FetchSettings {
            counts_tokens,
            ..FetchSettings::default()
        };
        let fetch = HttpFetch::new(&server.url("/{}"), &settings).unwrap();
        let settings = SinkSettings {
            counts_tokens,
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&server.url("/{}"), &settings).unwrap();
        wait(async {
            let mut fetched = fetch.connect().await.unwrap();
            fetched.send(&[record(0, item)]).await.unwrap();
            let mut saved = connect(&sink).await;
            save(&mut saved, &[record(0, item)]).await.unwrap();
            assert_eq!(fetched.usage(), saved.usage());
            fetched.usage().cost
        })
    };
    assert_eq!(cost(true, "7"), Some(42.0));
    assert_eq!(cost(true, "8"), None);
    assert_eq!(cost(false, "7"), None);
}

#[test]
fn a_quota_that_is_used_up_for_hours_stops_the_run() {
    let fault = |head: &str, body: &str| {
        let server = Server::canned(&answer("429 Too Many Requests", head, body));
        fetch_one(&server.url("/{}"), "7").unwrap_err()
    };
    let day = fault("retry-after: 40000\r\n", "");
    assert!(
        day.to_string().contains("the quota is used up until 20"),
        "{day}"
    );
    let account = fault(
        "",
        r#"{"error": {"code": "insufficient_quota", "message": "pay"}}"#,
    );
    assert!(
        account.to_string().contains("has no quota left"),
        "{account}"
    );
    // What says so in other words, waits for a minute, or for longer than any quota lasts, is a refusal as any.
    for (head, body) in [
        ("", r#"{"error": {"message": "insufficient_quota"}}"#),
        ("retry-after: 60\r\n", ""),
        ("retry-after: 99999999999999999999\r\n", ""),
    ] {
        let fault = fault(head, body);
        assert_eq!(fault.verdict(), Verdict::Overload, "{fault}");
    }
}

#[test]
fn what_is_left_of_quotas_is_told_with_each_answer() {
    let server = Server::start(|_| {
        let head = "x-ratelimit-remaining-requests: 7\r\nx-ratelimit-reset-requests: 2s\r\n\
                    x-ratelimit-remaining-tokens: 900\r\nx-ratelimit-reset-tokens: 1m0s\r\n";
        answer("200 OK", head, r#"{"usage":{"total_tokens":42}}"#).into_bytes()
    });
    let sink = sink(&server.url("/"));
    wait(async {
        let mut connection = connect(&sink).await;
        let mut told = Vec::new();
        for index in 0..2 {
            save(&mut connection, &[record(index, "a")]).await.unwrap();
            told.push(connection.usage());
        }
        assert_eq!(told[0].requests.unwrap().remaining, 7.0);
        assert_eq!(told[0].units.unwrap().resets_in, Duration::from_secs(60));
        assert_eq!(
            told[1].cost,
            Some(42.0),
            "where tokens are told, they are counted"
        );
    });
}

#[test]
fn credentials_that_change_are_read_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "old").unwrap();
    let server = Server::start(|asked| {
        match asked.header("authorization") {
            Some("Bearer new") => answer("200 OK", "", ""),
            _ => answer("401 Unauthorized", "", "who is old?"),
        }
        .into_bytes()
    });
    let settings = SinkSettings {
        headers: vec![format!(
            "Authorization: Bearer exec:cat {}",
            file.path().display()
        )],
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/"), &settings).unwrap();
    std::fs::write(&file, "new").unwrap();
    save_one(&sink).unwrap();
    save_one(&sink).unwrap();
    assert_eq!(server.asked().len(), 3, "the new one is kept");
}

#[test]
fn credentials_that_stay_refused_stop_the_run() {
    let server = Server::canned(&answer("401 Unauthorized", "", "who?"));
    let sink = sink(&server.url("/"));
    wait(async {
        let mut connection = connect(&sink).await;
        let mut index = 0;
        loop {
            index += 1;
            let fault = save(&mut connection, &[record(index, "x")])
                .await
                .unwrap_err();
            assert_ne!(
                fault.verdict(),
                Verdict::Permanent,
                "no item is to blame: {fault}"
            );
            if fault.to_string().contains("no credentials were sent") {
                break;
            }
            assert_eq!(fault.wait_asked().is_some(), index > 8, "{fault}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(index < 100, "the run stops");
        }
    });
}

#[test]
fn few_items_that_are_forbidden_alone_are_given_up() {
    let outcome = |status: &'static str, items: u64| {
        let server = Server::start(move |asked| {
            let is_bad = asked.body == b"bad";
            answer(if is_bad { status } else { "200 OK" }, "", "").into_bytes()
        });
        let sink = sink(&server.url("/"));
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(0, "good")]).await.unwrap();
            for index in (1..=items).cycle() {
                let fault = save(&mut connection, &[record(index, "bad")])
                    .await
                    .unwrap_err();
                if fault.verdict() != Verdict::Overload {
                    return fault;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            unreachable!("the items come again and again")
        })
    };
    for items in [1, 3] {
        let fault = outcome("403 Forbidden", items);
        assert_eq!(fault.verdict(), Verdict::Permanent, "{items}: {fault}");
    }
    let fault = outcome("403 Forbidden", 10);
    assert_ne!(
        fault.verdict(),
        Verdict::Permanent,
        "so many may be refused because of a token: {fault}"
    );
    let fault = outcome("401 Unauthorized", 1);
    assert_ne!(
        fault.verdict(),
        Verdict::Permanent,
        "who asks is not known: {fault}"
    );
}

#[test]
fn an_item_that_is_refused_while_others_are_served_is_to_blame_itself() {
    let server = Server::start(|asked| {
        let is_bad = asked.body == b"bad";
        answer(if is_bad { "403 Forbidden" } else { "200 OK" }, "", "").into_bytes()
    });
    let sink = sink(&server.url("/"));
    wait(async {
        let mut connection = connect(&sink).await;
        let mut send = async |index, item: &'static str| {
            save(&mut connection, &[record(index, item)])
                .await
                .map(drop)
        };
        send(0, "good").await.unwrap();
        let undecided = send(1, "bad").await.unwrap_err();
        assert_eq!(undecided.verdict(), Verdict::Overload, "{undecided}");
        assert_eq!(undecided.wait_asked(), None, "so that others are tried");
        send(2, "good").await.unwrap();
        let decided = send(1, "bad").await.unwrap_err();
        assert_eq!(decided.verdict(), Verdict::Permanent, "{decided}");
    });
}

#[test]
fn fetches_are_never_in_doubt() {
    let check = |canned: &str, verdict, part: &str| {
        let server = Server::canned(canned);
        let fault = fetch_one(&server.url("/{}"), "7").unwrap_err();
        assert_eq!(fault.verdict(), verdict, "{fault}");
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("", Verdict::Transient, "no whole answer");
    check(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhalf",
        Verdict::Transient,
        "no whole",
    );
    check(
        &answer("404 Not Found", "", ""),
        Verdict::Permanent,
        "/{} answered 404",
    );
    check(
        &answer("503 Service Unavailable", "", ""),
        Verdict::Overload,
        "503",
    );
    check(
        &answer("200 OK", "", &"x".repeat((16 << 20) + 1)),
        Verdict::Permanent,
        "more than 16 MiB",
    );
}

#[test]
fn the_lab_is_served() {
    let lab = Lab::start(Config::default(), ([127, 0, 0, 1], 0).into()).unwrap();
    let sink = sink(&format!("http://{}/add", lab.address()));
    wait(async {
        let mut connection = connect(&sink).await;
        for index in 0..10 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, index.to_string())])
                .await
                .unwrap();
        }
    });
    assert_eq!((lab.stats().saved, lab.stats().distinct), (10, 10));
    let (_, bytes) = fetch_one(&format!("http://{}/items/{{}}", lab.address()), "7").unwrap();
    assert!(!bytes.is_empty());
}
