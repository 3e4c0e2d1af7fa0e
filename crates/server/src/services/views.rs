//! Saved views: pages with their filters, which users keep under a name. Everybody keeps his own; others see what is shared.

use jiff::Timestamp;
use lockstep_model::Role;
use lockstep_model::api::operator::{NewView, SavedView};

use crate::app::{App, Asker};
use crate::services::audit;
use crate::web::Refusal;

/// One's own views and those that others share.
pub(crate) async fn list(app: &App, asker: &Asker) -> Result<Vec<SavedView>, Refusal> {
    Ok(app.store.views(&asker.name).await?)
}

/// Keeps a view. One's own of the same page and name is replaced.
pub(crate) async fn keep(
    app: &App,
    asker: &Asker,
    new: NewView,
    now: Timestamp,
) -> Result<SavedView, Refusal> {
    let name = SavedView::check_name(&new.name)
        .map_err(|why| Refusal::bad_request(format!("name: {why}")))?;
    let new = NewView {
        name: name.to_owned(),
        ..new
    };
    let kept = app.store.keep_view(&asker.name, &new, now).await?;
    // Removed since the request came in; whoever asks again is turned away at the door.
    let kept = kept
        .ok_or_else(|| Refusal::not_found(format!("there is no user {} any more", asker.name)))?;
    // What one keeps for oneself is no business of others.
    if kept.shared {
        let what = format!("shared the view {:?} of {}", kept.name, kept.address);
        audit::note(app, asker.name.as_str(), &what, now).await;
    }
    Ok(kept)
}

/// Forgets a view: one's own, or by an admin one that somebody shares.
pub(crate) async fn forget(
    app: &App,
    asker: &Asker,
    id: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let views = app.store.views(&asker.name).await?;
    let known = views.into_iter().find(|it| it.id == id);
    let of_all = asker.role >= Role::Admin;
    if !app.store.forget_view(id, &asker.name, of_all).await? {
        return Err(Refusal::not_found(
            "there is no such view of yours, or it was forgotten before",
        ));
    }
    if let Some(view) = known.filter(|it| it.shared) {
        let what = format!("forgot the view {:?} of {}", view.name, view.owner);
        audit::note(app, asker.name.as_str(), &what, now).await;
    }
    Ok(())
}
