use proptest::prelude::*;

use super::*;
use crate::pictures::upload_slots::UploadSlots;

/// Uploads a body with the boundary `b`.
async fn upload(body: impl Into<Body>) -> Result<Vec<u8>, Error> {
    let request = Request::post("/decode")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body.into())
        .unwrap();
    take(request).await
}

async fn take(request: Request) -> Result<Vec<u8>, Error> {
    let client = [127, 0, 0, 1].into();
    let mut permit = UploadSlots::new().upload(client).await?;
    Ok(read(request, &mut permit).await?.picture.0)
}

fn field(name: &str, content: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n{content}\r\n"
    )
}

#[tokio::test]
async fn the_picture_is_found_among_other_fields() {
    let body =
        field("user", "alice") + &field("picture", "P\r\n-") + &field("note", "x") + "--b--\r\n";
    assert_eq!(upload(body).await.unwrap(), b"P\r\n-");
}

#[tokio::test]
async fn what_is_no_form_with_one_picture_is_refused_with_what_to_do() {
    let picture = field("picture", "P");
    for (body, words) in [
        (picture.clone() + &picture + "--b--\r\n", "two pictures"),
        (field("photo", "P") + "--b--\r\n", "in the field `picture`"),
        ("--b--\r\n".to_owned(), "in the field `picture`"),
        (String::new(), "did not arrive whole"),
        (picture.clone(), "did not arrive whole"),
        (picture.replace("\r\n\r\n", "\r\n"), "did not arrive whole"),
        (
            picture.replace("--b", "--c") + "--c--\r\n",
            "did not arrive whole",
        ),
    ] {
        let error = upload(body.clone()).await.unwrap_err();
        assert_eq!(error.status(), 400, "{body}");
        assert!(error.to_string().contains(words), "{body}: {error}");
    }
}

#[tokio::test]
async fn other_types_are_refused() {
    for kind in [
        "",
        "image/png",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=b",
    ] {
        let request = Request::post("/decode").header("content-type", kind);
        let body = Body::from(field("picture", "P") + "--b--\r\n");
        let error = take(request.body(body).unwrap()).await.unwrap_err();
        assert_eq!(error.status(), 400, "{kind}");
        assert!(error.to_string().contains("multipart/form-data"), "{error}");
    }
}

#[tokio::test]
async fn five_megabytes_are_taken_and_a_byte_more_is_not() {
    let whole = |length| field("picture", &"P".repeat(length)) + "--b--\r\n";
    assert_eq!(
        upload(whole(PICTURE_LIMIT)).await.unwrap().len(),
        PICTURE_LIMIT
    );
    for length in [PICTURE_LIMIT + 1, HEARD_OUT + 1] {
        let error = upload(whole(length)).await.unwrap_err();
        assert_eq!(error.status(), 413);
        assert!(error.to_string().contains("5 MB"), "{error}");
    }
}

proptest! {
    #[test]
    fn whatever_arrives_is_a_picture_or_refused(
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(&[
                    "--b", "--b--", "\r\n", "\r\n\r\n", "\n", "--", "Content-Disposition: form-data; ", "name=\"picture\"",
                    "name=picture", "filename=\"\"; ", "name*=UTF-8''picture", "Content-Type: image/png", "P", ";", "=",
                ][..]).prop_map(|text| text.as_bytes().to_vec()),
                proptest::collection::vec(any::<u8>(), 0..8),
            ],
            0..24,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        match runtime.block_on(upload(pieces.concat())) {
            Ok(_) => {}
            Err(error) => prop_assert_eq!(error.status(), 400),
        }
    }
}
