//! Looking inside a trained network: what its filters respond to ([`filters`]), and what in a recording made it
//! decide ([`evidence`], in the window that [`passage`] finds). Each has its figure.

pub mod evidence;
mod evidence_figure;
mod filter_figure;
pub mod filters;
pub mod passage;
pub mod spectrum;

pub use evidence_figure::EvidenceFigure;
pub use filter_figure::FilterFigure;
