//! `inflight report`, and the pictures that are made of a recording: a page, a drawing, a trace, a table in Markdown.
//!
//! All of it is made of a recording only, so that a run drawn at once and one drawn a month later look the same.

pub(crate) mod html;
pub(crate) mod markdown;
mod sections;
pub(crate) mod svg;
mod sweep_chart;
mod tabular;
pub(crate) mod trace;

use crate::args::ReportArgs;
use crate::exit::{Exit, Usage};
use crate::messages;
use crate::pictures::{PictureArgs, Pictures};
use crate::recording::Shelf;

/// Draws a run that was recorded.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let shelf = Shelf::of_user();
    let recording = Shelf::get(shelf.as_ref(), &args.run)
        .map_err(|error| Usage::error(format!("{error:#}")))?;
    let nothing_asked = PictureArgs::default() == args.pictures;
    let pictures = match nothing_asked {
        false => Pictures::open(&args.pictures, None)?,
        true => {
            let path = format!("inflight-{}.html", recording.about.id);
            messages::line(&format_args!("report: {path}"));
            let report = PictureArgs {
                report: Some(path.into()),
                ..PictureArgs::default()
            };
            Pictures::open(&report, None)?
        }
    };
    pictures.write(&recording)?;
    Ok(Exit::Success)
}
