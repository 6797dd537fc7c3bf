//! Model files for tests, sound and hostile. The tests of the C interface use them as well.
#![allow(dead_code)]

pub(crate) mod container;
pub(crate) mod mutate;
pub(crate) mod networks;
