//! Redirects of each status, of what only reads and of what changes something.

use hyper::StatusCode;
use inflight::{Connection, Fault, Service, Verdict};
use inflight_connectors::{FetchSettings, HttpFetch};

use crate::server::{Asked, Server, answer};
use crate::{record, wait};

/// What a fetch by this method gets behind a redirect of this status, and what was asked for it.
fn fetched(method: &str, status: u16) -> (Result<String, Fault>, Vec<Asked>) {
    let line = StatusCode::from_u16(status).unwrap().to_string();
    let server = Server::start(move |asked| {
        let told = match asked.line.contains("/there") {
            true => answer("200 OK", "", &asked.line),
            false => answer(&line, "location: /there\r\n", "moved"),
        };
        told.into_bytes()
    });
    let address = format!("{method} {}", server.url("/here/{}"));
    let fetch = HttpFetch::new(&address, &FetchSettings::default()).unwrap();
    let fetched = wait(async {
        let mut connection = fetch.connect().await?;
        let reply = connection.send(&[record(0, "x")]).await?;
        let inflight::Reply::All(mut answers) = reply else {
            unreachable!("one record has one answer")
        };
        let bytes = answers.remove(0).bytes().to_vec();
        Ok(String::from_utf8(bytes).unwrap())
    });
    (fetched, server.asked())
}

#[test]
fn what_only_reads_follows_each_status() {
    for status in [301, 302, 303, 307, 308] {
        let (fetched, asked) = fetched("GET", status);
        assert_eq!(fetched.unwrap(), "GET /there HTTP/1.1", "{status}");
        assert_eq!(asked.len(), 2);
    }
    // These lead nowhere, whatever stands beside them.
    for status in [300, 304, 305, 306] {
        let (fetched, asked) = fetched("GET", status);
        let fault = fetched.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent, "{status}: {fault}");
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn a_fetch_by_post_stays_one_where_the_status_says_so() {
    for status in [307, 308] {
        let (fetched, asked) = fetched("POST", status);
        assert_eq!(fetched.unwrap(), "POST /there HTTP/1.1", "{status}");
        assert_eq!(
            (&asked[0].body[..], &asked[1].body[..]),
            (&b"x"[..], &b"x"[..])
        );
    }
    let (fetched_303, asked) = fetched("POST", 303);
    assert_eq!(fetched_303.unwrap(), "GET /there HTTP/1.1");
    assert_eq!(asked[1].body, b"");
    // Clients differ on whether these become a GET: nothing is guessed.
    for status in [301, 302] {
        let (fetched, asked) = fetched("POST", status);
        let fault = fetched.unwrap_err().to_string();
        assert!(
            fault.contains("Location /there") && fault.contains("name the address itself"),
            "{fault}"
        );
        assert_eq!(asked.len(), 1);
    }
}
