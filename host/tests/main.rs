//! The hub as a program, against real things: one module per room.

mod support;

mod rest;
