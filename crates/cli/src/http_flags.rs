//! stub
use crate::args::{JobArgs, PaceArgs};
use crate::target::Place;
use inflight::NoFetch;
use inflight_connectors::NullSink;
pub(crate) type Sink = NullSink;
pub(crate) type HttpFetch = NoFetch;
#[derive(Debug)]
pub(crate) struct HttpFlags;
impl HttpFlags {
    pub(crate) fn new(_job: &JobArgs, _pace: &PaceArgs, _id: u64) -> anyhow::Result<HttpFlags> {
        Ok(HttpFlags)
    }
    pub(crate) fn sink(&self, _place: &Place) -> anyhow::Result<Sink> {
        Ok(NullSink)
    }
    pub(crate) fn fetch(&self, _place: &Place) -> Result<HttpFetch, String> {
        Err("stub".into())
    }
}
