//! What would be sent or saved for one item, for whoever wants to see it first. No secret is in it.

use bytes::Bytes;

/// What one item would come to at its sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    /// A request over HTTP.
    Request(RequestPreview),
    /// A line or a row, as a JSON object.
    Row(String),
    /// Nothing is kept.
    Nothing,
}

/// A request as it would be sent over HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPreview {
    /// Such as `POST`.
    pub method: String,
    /// In full, but for user and password, of which a header is made.
    pub url: String,
    /// Names in small letters, in no order that matters. `Content-Length` and a `Host` that follows from the URL are left out.
    pub headers: Vec<(String, HeaderPreview)>,
    /// What is sent behind the headers.
    pub body: Bytes,
}

/// The value of one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPreview {
    /// As it is sent.
    Open(String),
    /// A secret: where it comes from, as it was typed, such as `Bearer env:TOKEN`. Empty where it was no header that was typed,
    /// but part of an address.
    Secret(String),
}
