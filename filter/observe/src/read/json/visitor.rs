//! The interface between the scanner and its caller.

use crate::digest::Digest;
use crate::text::Text;

/// What the scanner keeps of a value, as the visitor decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing: neither its text nor its members or elements.
    Skip,
    /// [`Visitor::scalar`] or [`Visitor::begin`], with at most this many bytes of its text.
    Keep(usize),
    /// As `Keep(0)`, and a digest of the text of an object that is entered (not of an array), without insignificant
    /// white space. Digests cannot be nested.
    Digest,
}

/// An object or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// A value that is no container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Decoded; lone surrogates as three bytes.
    String(&'a Text),
    /// As written.
    Number(&'a Text),
    Bool(bool),
    Null,
}

/// Receives the parts of the scanned documents. `at` is a position in bytes since the scanner's start.
pub(crate) trait Visitor {
    /// A member's decoded name, inside a container that was entered.
    fn key(&mut self, name: &[u8]) -> Interest;
    /// The next value of an entered array, or the document itself.
    fn element(&mut self) -> Interest;
    /// A container of interest begins. Returns whether the scanner enters it.
    fn begin(&mut self, container: Container, at: u64) -> bool;
    /// The digest of the container that was entered with [`Interest::Digest`] begins. Returns an empty digest.
    fn begin_digest(&mut self) -> Digest;
    /// The digest is complete. Called before [`Visitor::end`].
    fn end_digest(&mut self, digest: u64);
    /// A container that was entered ends; `at` is the position after it.
    fn end(&mut self, at: u64);
    /// A scalar of interest.
    fn scalar(&mut self, scalar: Scalar<'_>);
}
