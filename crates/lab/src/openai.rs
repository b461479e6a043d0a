//! The OpenAI face, pure: what a request asks for, what the answer to it says and what both cost in tokens.
//!
//! An answer is a function of the request alone, so that a test knows what must arrive. Its text holds commas, quotes and line
//! ends, because real answers do.

use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

/// The spread of an answer's length: the standard deviation of its logarithm.
const WORDS_SIGMA: f64 = 0.8;
/// The median of an answer's length, in words, for a prompt of no length; a long prompt adds to it.
const WORDS_MEDIAN: f64 = 20.0;
/// Words of an answer at most.
const WORDS_MAX: f64 = 2000.0;
/// Numbers of an embedding unless the request says how many, and at most.
const DIMENSIONS: usize = 8;
const DIMENSIONS_MAX: usize = 4096;
/// Texts of one request for embeddings at most, as OpenAI has it.
const INPUTS_MAX: usize = 2048;

/// A request that was understood.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// `/v1/chat/completions`.
    Chat(Chat),
    /// `/v1/embeddings`.
    Embeddings(Embeddings),
}

/// What a chat completion needs to know.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Chat {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    stream: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Message {
    /// A message without one is refused, as it is by the service.
    role: String,
    content: String,
}

/// What embeddings need to know.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Embeddings {
    model: String,
    input: Texts,
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Request {
    /// Reads the body of a request to this path, `/v1/…`; fails with what is wrong.
    pub(crate) fn read(path: &str, body: &[u8]) -> Result<Request, String> {
        let wrong =
            |cause: serde_json::Error| format!("the body is not what {path} takes: {cause}");
        if path.ends_with("/embeddings") {
            let request: Embeddings = serde_json::from_slice(body).map_err(wrong)?;
            let count = request.texts().len();
            return match count {
                1..=INPUTS_MAX => Ok(Request::Embeddings(request)),
                _ => Err(format!(
                    "`input` has {count} texts, 1 to {INPUTS_MAX} are taken"
                )),
            };
        }
        let request: Chat = serde_json::from_slice(body).map_err(wrong)?;
        match request.messages.last() {
            _ if request.stream => Err("`stream` is not served here".into()),
            None => Err("`messages` is empty".into()),
            Some(_) => Ok(Request::Chat(request)),
        }
    }

    /// The answer, and what the request costs in tokens, prompt and answer together.
    pub(crate) fn answer(&self) -> (Value, u64) {
        match self {
            Request::Chat(chat) => chat.answer(),
            Request::Embeddings(embeddings) => embeddings.answer(),
        }
    }
}

/// The error that a service puts into an answer, as its JSON.
pub(crate) fn error(message: &str, kind: &str, code: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

impl Chat {
    fn answer(&self) -> (Value, u64) {
        let prompt: String = self.messages.iter().map(|m| m.content.as_str()).collect();
        let last = self.messages.last().map_or("", |message| &message.content);
        let words = words(&prompt);
        let most = self.max_tokens.or(self.max_completion_tokens);
        let kept = most.map_or(words, |most| words.min(most));
        let reason = if kept < words { "length" } else { "stop" };
        let prompt_tokens = tokens(&prompt);
        let total = prompt_tokens + kept;
        let answer = json!({
            "id": format!("chatcmpl-{:016x}", xxh3_64(prompt.as_bytes())),
            "object": "chat.completion",
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": text(last, kept) },
                "finish_reason": reason,
            }],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": kept,
                "total_tokens": total,
            },
        });
        (answer, total)
    }
}

impl Embeddings {
    fn texts(&self) -> &[String] {
        match &self.input {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }

    fn answer(&self) -> (Value, u64) {
        let dimensions = self.dimensions.unwrap_or(DIMENSIONS).min(DIMENSIONS_MAX);
        let vector = |text: &str| -> Vec<f64> {
            let mut random = fastrand::Rng::with_seed(xxh3_64(text.as_bytes()));
            // Six digits, as services round.
            let number = |_| (random.f64() * 2e6 - 1e6).round() / 1e6;
            (0..dimensions).map(number).collect()
        };
        let data: Vec<Value> = (self.texts().iter().enumerate())
            .map(|(index, text)| {
                json!({ "object": "embedding", "index": index, "embedding": vector(text) })
            })
            .collect();
        let total = self.texts().iter().map(|text| tokens(text)).sum();
        let answer = json!({
            "object": "list",
            "model": self.model,
            "data": data,
            "usage": { "prompt_tokens": total, "total_tokens": total },
        });
        (answer, total)
    }
}

/// About four bytes of a text are a token, and there is at least one.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4).max(1)
}

/// How many words the answer to a prompt has: lognormal, and longer for a longer prompt.
fn words(prompt: &str) -> u64 {
    let mut random = fastrand::Rng::with_seed(xxh3_64(prompt.as_bytes()));
    let spread = (WORDS_SIGMA * crate::latency::normal(&mut random)).exp();
    let median = WORDS_MEDIAN + prompt.len() as f64 / 40.0;
    (median * spread).clamp(1.0, WORDS_MAX) as u64
}

/// So many words about a prompt; one word is one token.
fn text(prompt: &str, words: u64) -> String {
    const WORDS: [&str; 12] = [
        "in",
        "short,",
        "the",
        "\"answer\"",
        "is",
        "that",
        "naïve",
        "waiting",
        "costs;\n",
        "숫자가",
        "it,",
        "too",
    ];
    let mut random = fastrand::Rng::with_seed(xxh3_64(prompt.as_bytes()));
    let words: Vec<&str> = (0..words)
        .map(|_| WORDS[random.usize(..WORDS.len())])
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &str) -> Result<(Value, u64), String> {
        Request::read("/v1/chat/completions", body.as_bytes()).map(|request| request.answer())
    }

    #[test]
    fn a_chat_is_answered_the_same_each_time() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello, world"}]}"#;
        let (answer, tokens) = chat(body).unwrap();
        assert_eq!(chat(body).unwrap().0, answer);
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "stop");
        let content = choice["message"]["content"].as_str().unwrap();
        let words = answer["usage"]["completion_tokens"].as_u64().unwrap();
        assert_eq!(content.split(' ').count() as u64, words);
        assert_eq!(answer["usage"]["total_tokens"], tokens);
        assert_eq!(tokens, 3 + words);
    }

    #[test]
    fn an_answer_that_is_too_long_is_cut() {
        let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hello"}]}"#;
        let (answer, _) = chat(body).unwrap();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 1);
    }

    #[test]
    fn embeddings_answer_each_text_in_its_place() {
        let body = br#"{"model":"e","input":["a","b"],"dimensions":3}"#;
        let (answer, tokens) = Request::read("/v1/embeddings", body).unwrap().answer();
        assert_eq!(tokens, 2);
        let data = answer["data"].as_array().unwrap();
        assert_eq!(data.len(), 2);
        assert_eq!(data[1]["embedding"].as_array().unwrap().len(), 3);
        let alone = br#"{"model":"e","input":"b","dimensions":3}"#;
        let (one, _) = Request::read("/v1/embeddings", alone).unwrap().answer();
        assert_eq!(one["data"][0]["embedding"], data[1]["embedding"]);
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        let wrong = |body| chat(body).unwrap_err();
        assert!(wrong("{").contains("not what /v1/chat/completions takes"));
        assert!(wrong(r#"{"model":"m"}"#).contains("messages"));
        assert!(wrong(r#"{"model":"m","messages":[]}"#).contains("is empty"));
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
        assert!(wrong(body).contains("stream"));
        let none = Request::read("/v1/embeddings", br#"{"model":"e","input":[]}"#);
        assert!(none.unwrap_err().contains("0 texts"));
    }
}
