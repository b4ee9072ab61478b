//! What the scanner asks its caller, and what it passes on.

use crate::digest::Digest;
use crate::text::Text;

/// What the visitor wants of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing: neither its text nor what is in it.
    Skip,
    /// [`Visitor::scalar`] or [`Visitor::begin`], with at most this many bytes of its text.
    Keep(usize),
    /// The same with no bytes; of an object that is entered (arrays are not), a digest of its text but for insignificant
    /// white space. Not inside another one.
    Digest,
}

/// An object or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Decoded; lone surrogates as three bytes.
    String(&'a Text),
    /// As written.
    Number(&'a Text),
    Bool(bool),
    Null,
}

/// Receives the parts of the documents that are scanned. `at` counts bytes since the scanner began.
pub(crate) trait Visitor {
    /// A member's decoded name, inside a container that was entered.
    fn key(&mut self, name: &[u8]) -> Interest;
    /// The next value of an entered array, or the document itself.
    fn element(&mut self) -> Interest;
    /// A container of interest begins; `true` to enter it.
    fn begin(&mut self, container: Container, at: u64) -> bool;
    /// The digest of the container that was entered with [`Interest::Digest`] begins.
    fn begin_digest(&mut self) -> Digest;
    /// It ends, before [`Visitor::end`].
    fn end_digest(&mut self, digest: u64);
    /// The end of a container that was entered; `at` is just behind it.
    fn end(&mut self, at: u64);
    /// A scalar of interest.
    fn scalar(&mut self, scalar: Scalar<'_>);
}
