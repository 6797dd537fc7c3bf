//! The published models.
