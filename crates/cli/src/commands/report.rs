//! `inflight report`: draws a run that was recorded.

use crate::error::Result;
use crate::exit::Exit;
use crate::flags::args::ReportArgs;
use crate::flags::pictures::PictureArgs;
use crate::keep::recording::Shelf;
use crate::show::pictures::Pictures;
use crate::terminal::messages;

/// Draws a run that was recorded.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit> {
    let shelf = Shelf::of_user();
    let recording = Shelf::get(shelf.as_ref(), &args.run)?;
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
