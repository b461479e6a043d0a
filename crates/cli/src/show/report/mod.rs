//! The pictures that are made of a recording: a page, a drawing, a trace, a table in Markdown.
//!
//! All of it is made of a recording only, so that a run drawn at once and one drawn a month later look the same.

pub(crate) mod html;
pub(crate) mod markdown;
mod sections;
pub(crate) mod svg;
mod sweep_chart;
mod tabular;
pub(crate) mod trace;
