//! UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200, 225 for a list), GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201),
//! DELETE_SUBSCRIPTIONGROUP (207), GET_SUBSCRIPTIONGROUP_CONFIG (352).
//!
//! As with topics: changes go through their home, the whole table is the home's, one group is read here.
//!
//! Before: `broker::dispatch`; after: `broker::changes`, `shards::group`.

use std::rc::Rc;

use ringmq_shards::group::GroupLookup;
use ringmq_shards::runtime::{self, mesh::Request};

use super::changes::Wanted;
use super::core::Core;
use super::dispatch::Call;
use super::page::Page;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::group::{
    self, DeleteSubscriptionGroup, GetAllSubscriptionGroup, GetSubscriptionGroupConfig, GroupSettings,
};

pub async fn put(call: Call) -> Result<Response, Refusal> {
    wanted(GroupSettings::decode(call.body())?).make(&call.core).await?;
    Ok(Response::success())
}

/// All or none, as far as that can be known before.
pub async fn put_list(call: Call) -> Result<Response, Refusal> {
    let wanted: Vec<Wanted> = group::group_list(call.body())?.into_iter().map(wanted).collect();
    for wanted in &wanted {
        wanted.check(&call.core)?;
    }
    for wanted in wanted {
        wanted.make(&call.core).await?;
    }
    Ok(Response::success())
}

fn wanted(settings: GroupSettings) -> Wanted {
    Wanted::GroupSettings { settings: settings.config, attributes: settings.attributes }
}

pub async fn delete(call: Call) -> Result<Response, Refusal> {
    let wanted = {
        let header = call.header();
        let request = DeleteSubscriptionGroup::decode(&header)?;
        Wanted::GroupGone { group: request.group_name.to_owned(), clean_offsets: request.clean_offset }
    };
    wanted.make(&call.core).await?;
    Ok(Response::success())
}

/// A group that may come into being does so by being asked for, as in RocketMQ.
pub async fn get(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let name = GetSubscriptionGroupConfig::decode(&call.header())?.group.to_owned();
    let may_be_made = matches!(core.live.state.borrow().groups.find(&name, runtime::now()), GroupLookup::Create(_));
    if may_be_made {
        Wanted::GroupUsed { group: name.clone() }.make(core).await?;
    }
    let shard = core.live.state.borrow();
    let none = || Refusal::new(ResponseCode::SubscriptionGroupNotExist, "No group in this broker".to_owned());
    let mut body = Vec::new();
    group::write_one(shard.groups.get(&name).ok_or_else(none)?, &mut body);
    Ok(Response::success().with_body(body))
}

pub async fn all(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let page = {
        let header = call.header();
        let request = GetAllSubscriptionGroup::decode(&header)?;
        Page::of(request.group_seq, request.max_group_num, request.data_version)
    };
    let is_page = page.is_some();
    let home = core.placement.settings(core.id);
    let (total, body) = core.mesh.ask(home, core, Table { page }).await.ok_or_else(Refusal::stopping)?;
    let response = Response::success().with_body(body);
    Ok(if is_page { response.with_field("totalGroupNum", total) } else { response })
}

/// At the home: the table's size, and the body that has it or a page of it.
struct Table {
    page: Option<Page>,
}

impl Request<Core> for Table {
    type Reply = (usize, Vec<u8>);

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let shard = core.live.state.borrow();
        let groups = shard.groups.sorted();
        let shown = Page::cut(self.page, &groups, shard.groups.version());
        let mut body = Vec::new();
        group::write_table(shown.iter().copied(), shard.groups.version(), &mut body);
        (groups.len(), body)
    }
}
