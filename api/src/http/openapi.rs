//! The OpenAPI document: its head, and the parts that all routes share.

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Info, ObjectBuilder, OpenApi, OpenApiBuilder, RefOr, Required,
        ResponseBuilder, Schema,
        path::{Operation, Parameter, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{AdditionalProperties, SchemaType, Type},
    },
};

use crate::http::error::Failure;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The head of the document.
pub(crate) fn head() -> OpenApi {
    let info = Info::builder()
        .title("Heyi")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Receive codes merged into one. Parameters travel in the query of a GET, or in the form or JSON body of a \
             POST. A parameter that the route does not know is refused, but ignored by pages; an empty one counts as missing. `sign` is \
             the signature: MD5, in hex, over the sorted `name=value` of all parameters that have a value, and of \
             `route` (the path, which is not sent), joined with `&`, and `&key=` and the key.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds what all routes share: the parameters of a POST are its body, and all failures have one schema.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    let mut failure = vec![(Failure::name().into_owned(), Failure::schema())];
    Failure::schemas(&mut failure);
    let components = document.components.get_or_insert_default();
    components.schemas.extend(failure);
    for (path, item) in &mut document.paths.paths {
        // The form of `/report` is ours; no other client adds fields to it.
        let ignores_unknown = path == "/qr";
        let both = item.get.is_some();
        if let Some(post) = &mut item.post
            && both
        {
            take_parameters_from_body(post, ignores_unknown);
        }
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add_responses(operation);
        }
    }
    document
}

/// Returns the document.
pub(crate) fn answer(json: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn take_parameters_from_body(post: &mut Operation, ignores_unknown: bool) {
    let parameters = post.parameters.take().unwrap_or_default();
    post.request_body = Some(RefOr::T(body(parameters, ignores_unknown)));
    post.operation_id = post.operation_id.take().map(|id| format!("{id}_post"));
}

fn body(parameters: Vec<RefOr<Parameter>>, ignores_unknown: bool) -> RequestBody {
    let mut object = ObjectBuilder::new();
    for parameter in parameters {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        if parameter.parameter_in != ParameterIn::Query {
            continue;
        }
        if parameter.required == Required::True {
            object = object.required(parameter.name.clone());
        }
        if let Some(schema) = parameter.schema {
            object = object.property(parameter.name, described(schema, parameter.description));
        }
    }
    let form = object
        .additional_properties(Some(AdditionalProperties::FreeForm(ignores_unknown)))
        .build();
    let mut json = form.clone();
    json.properties.values_mut().for_each(also_an_integer);
    let content = |schema| ContentBuilder::new().schema(Some(schema)).build();
    RequestBodyBuilder::new()
        .content(JSON, content(Schema::from(json)))
        .content(FORM, content(Schema::from(form)))
        .required(Some(Required::True))
        .build()
}

/// JSON may have an integer instead of a string.
fn also_an_integer(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else {
        return;
    };
    match &mut object.schema_type {
        SchemaType::Type(Type::String) => {
            object.schema_type = SchemaType::Array(vec![Type::String, Type::Integer]);
        }
        SchemaType::Array(types) if types.contains(&Type::String) => types.push(Type::Integer),
        _ => {}
    }
}

fn described(schema: RefOr<Schema>, description: Option<String>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = description;
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

fn add_responses(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            "Success.".clone_into(&mut response.description);
        }
    }
    let json = ContentBuilder::new()
        .schema(Some(
            utoipa::openapi::Ref::from_schema_name(Failure::name()),
        ))
        .build();
    let html = ContentBuilder::new().schema(Some(String::schema())).build();
    let response = ResponseBuilder::new()
        .description("A failure; as a page for clients whose Accept prefers text/html.")
        .content("application/json", json)
        .content("text/html", html)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(response));
}
