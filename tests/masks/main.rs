//! The stages that make masks, driven through real unit contexts: segmentation and custom models with stand-ins for the
//! external programs, custom structures, cropping.

mod agreement;
mod classical;
mod crop;
mod custom_models;
mod structures;
mod support;
mod totalsegmentator;
