//! `runtime stream`: detections in a recording or pipe.

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use runtime::source::{FileSource, Input, Paced, Source, Threaded};

use super::session::{Stop, detect};
use crate::cli::Stream;

pub(super) fn run(args: &Stream) -> Result<()> {
    let engine = args.model.load()?;
    let source = FileSource::open(&Input::from(args.input.clone()), args.raw)?;
    let source: Box<dyn Source> = match args.realtime {
        true => Box::new(Threaded::live(Paced::new(source))),
        false => Box::new(source),
    };
    let stop = Stop { asked: &AtomicBool::new(false), seconds: None };
    detect(source, engine, &args.detection, &stop)
}
