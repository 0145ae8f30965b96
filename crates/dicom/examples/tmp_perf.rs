use rtpipeline_dicom::write::*; use rtpipeline_dicom::image::*; use rtpipeline_geometry::*;
fn main(){
 let a: Vec<String> = std::env::args().skip(1).collect();
 if a.is_empty() {
 let images=SourceImages{frame_of_reference_uid:"1.2.3".into(),series_uid:"1.2.4".into(),normal:[0.,0.,1.],images:(0..200).map(|k|SourceImage{sop_class_uid:"1.2.840.10008.5.1.4.1.1.2".into(),sop_instance_uid:format!("1.2.5.{k}"),position:[0.,0.,k as f64]}).collect(),..Default::default()};
 let structures:Vec<_>=(0..30).map(|s|StructureSpec{name:format!("s{s}"),contours:(0..100).map(|k|Contour::closed((0..200).map(|p|{let a=p as f64*0.0314159;[100.123456*a.cos(),s as f64+90.98765*a.sin(),k as f64]}).collect())).collect(),color:[1,2,3],interpreted_type:"ORGAN".into(),algorithm:"AUTOMATIC".into(),number:None}).collect();
 let set=StructureSetSpec{label:"l",description:"d",date:"",time:"",series_number:1,images:&images,structures:&structures};
 for _ in 0..3 { let t=std::time::Instant::now(); write_structure_set(std::path::Path::new("/tmp/perf_rs.dcm"),&set).unwrap(); println!("{:?} {} bytes",t.elapsed(),std::fs::metadata("/tmp/perf_rs.dcm").unwrap().len()); }
 } else {
  let f:Vec<SeriesFile>=a.iter().map(|p|SeriesFile{path:p.into()}).collect();
  match read_series(&f){Ok(s)=>println!("{:?} {:?} {:?} {:?}",s.grid,s.unit,s.findings,s.other_stacks),Err(e)=>println!("ERR {e}")}
 }
}
