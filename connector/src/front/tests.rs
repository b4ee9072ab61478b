//! The front against a small HTTP server that plays each behaviour.

mod peer;

mod failures;
mod legacy;
mod modern;
mod order;
mod pipes;
mod streams;
