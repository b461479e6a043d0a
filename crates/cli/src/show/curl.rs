//! A request as the `curl` command that sends the same: secrets stay where they are, and are read by the shell.

use inflight_connectors::{HeaderPreview, RequestPreview};

use crate::flags::secrets::public;
use crate::flags::shell::{escaped, is_control, printf_format, quoted};

/// What curl would add to a request that has a body.
const CONTENT_TYPE: &str = "content-type";

/// What curl and inflight say of themselves in the same words.
const SAME: (&str, &str) = ("accept", "*/*");

/// The command, on a line for each part.
pub(crate) fn command(request: &RequestPreview) -> String {
    let RequestPreview {
        method,
        url,
        headers,
        body,
    } = request;
    // Of a secret in a query only the name may be seen.
    let url = public(url);
    let mut first = String::from("curl");
    if method != "GET" || !body.is_empty() {
        first += &format!(" -X {}", quoted(method));
    }
    if url.contains(['[', ']', '{', '}']) {
        first += " -g";
    }
    if url.contains("/.") {
        first += " --path-as-is";
    }
    let mut parts = vec![format!("{first} {}", quoted(&url))];
    let has = |name: &str| headers.iter().any(|(other, _)| other == name);
    for (name, value) in headers {
        match value {
            HeaderPreview::Open(value) if (name.as_str(), value.as_str()) == SAME => {}
            HeaderPreview::Open(_) if name == "accept-encoding" => {
                // It is offered, and undone, by curl too.
                parts.push("--compressed".to_owned());
            }
            HeaderPreview::Open(value) if value.is_empty() => {
                parts.push(format!("-H {}", quoted(&format!("{name};"))));
            }
            HeaderPreview::Open(value) => {
                parts.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
            }
            HeaderPreview::Secret(source) => {
                parts.push(format!("-H \"{}: {}\"", escaped(name), secret(source)));
            }
        }
    }
    if !body.is_empty() && !has(CONTENT_TYPE) {
        parts.push(format!("-H '{CONTENT_TYPE}:'"));
    }
    // What would move the cursor reaches no terminal, and a zero byte no word.
    let moves = |c: char| !matches!(c, '\n' | '\t') && is_control(c);
    let mut before = String::new();
    match std::str::from_utf8(body) {
        _ if body.is_empty() => {}
        Ok(text) if !text.chars().any(moves) => parts.push(format!("--data-raw {}", quoted(text))),
        _ => {
            before = format!("printf {} | ", printf_format(body));
            parts.push("--data-binary @-".to_owned());
        }
    }
    before + &parts.join(" \\\n  ")
}

/// What a shell reads the secret from, between double quotes.
fn secret(source: &str) -> String {
    let (scheme, place) = match source.split_once(' ') {
        Some((scheme, place)) if !is_place(source) => (format!("{scheme} "), place.trim_start()),
        _ => (String::new(), source),
    };
    let scheme = escaped(&scheme);
    if let Some(name) = place.strip_prefix("env:") {
        return format!("{scheme}${{{name}}}");
    }
    if let Some(path) = place.strip_prefix("file:") {
        return format!("{scheme}$(cat {})", quoted(path));
    }
    if let Some(command) = place.strip_prefix("exec:") {
        return format!("{scheme}$({command})");
    }
    "***".to_owned()
}

fn is_place(text: &str) -> bool {
    ["env:", "file:", "exec:"]
        .iter()
        .any(|place| text.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, body: &[u8]) -> RequestPreview {
        RequestPreview {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: vec![
                (
                    "authorization".to_owned(),
                    HeaderPreview::Secret("Bearer env:TOKEN".to_owned()),
                ),
                (
                    "x-key".to_owned(),
                    HeaderPreview::Secret("file:my key".to_owned()),
                ),
                (
                    "content-type".to_owned(),
                    HeaderPreview::Open("text/plain".to_owned()),
                ),
                ("accept".to_owned(), HeaderPreview::Open("*/*".to_owned())),
                ("x-empty".to_owned(), HeaderPreview::Open(String::new())),
            ],
            body: body.to_vec().into(),
        }
    }

    #[test]
    fn a_secret_stays_where_it_is() {
        let shown = command(&request("POST", "https://h/a?api_key=canary", b"it's"));
        assert_eq!(
            shown,
            "curl -X POST 'https://h/a?api_key' \\\n  -H \"authorization: Bearer ${TOKEN}\" \\\n  \
             -H \"x-key: $(cat 'my key')\" \\\n  -H 'content-type: text/plain' \\\n  -H 'x-empty;' \\\n  \
             --data-raw 'it'\\''s'"
        );
    }

    #[test]
    fn a_shell_gives_curl_the_words_that_were_meant() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("my key"), "k\n").unwrap();
        let words = |request: &RequestPreview| {
            let script = format!("curl() {{ printf '%s|' \"$@\"; }}\n{}", command(request));
            let shell = std::process::Command::new("sh")
                .args(["-c", &script])
                .env("TOKEN", "t$1")
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(shell.status.success(), "{script}");
            String::from_utf8(shell.stdout).unwrap()
        };
        let head =
            "-H|authorization: Bearer t$1|-H|x-key: k|-H|content-type: text/plain|-H|x-empty;|";
        assert_eq!(
            words(&request(
                "PUT",
                "http://h/a{b}/../c",
                b"{\"a\":\"$HOME\n\"}"
            )),
            format!(
                "-X|PUT|-g|--path-as-is|http://h/a{{b}}/../c|{head}--data-raw|{{\"a\":\"$HOME\n\"}}|"
            )
        );
        assert_eq!(
            words(&request("GET", "http://h/a", b"")),
            format!("http://h/a|{head}")
        );
        assert_eq!(
            words(&request("POST", "http://h/a", b"\0\xff%")),
            format!("-X|POST|http://h/a|{head}--data-binary|@-|")
        );
    }
}
