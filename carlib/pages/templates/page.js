"use strict";
/* Photos stand once, in the page's data; here pictures are given to what shows them, and
   a link with data-gallery opens its photos. Texts go in as text, never as HTML. */
(() => {
  const { photos, galleries } = JSON.parse(document.getElementById("page-data").textContent);
  const dialog = document.getElementById("gallery");
  const list = dialog.querySelector(".photos");

  const give = (image) => {
    image.src = photos[image.dataset.photo].src;
    image.removeAttribute("data-photo");
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        seen.unobserve(target);
        if (target.dataset.photo) give(target);
      }
    }
  }, { rootMargin: "600px" });
  const waiting = (root) => root.querySelectorAll("img[data-photo]");
  waiting(document).forEach((image) => seen.observe(image));

  const element = (name, text = "", kind = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = kind;
    return made;
  };
  const breakable = (made) => {
    const parts = made.textContent.split(/(?<=_)/);
    made.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]));
    return made;
  };
  const shown = (number) => {
    const photo = photos[number];
    const figure = element("figure");
    const caption = element("figcaption");
    caption.append(breakable(element("bdi", photo.name, "name")),
      breakable(element("span", photo.caption)));
    if (photo.src) {
      const image = element("img");
      image.alt = "Photo " + photo.name;
      image.width = photo.width;
      image.height = photo.height;
      image.dataset.photo = number;
      figure.append(image);
    } else {
      figure.append(element("span", "No picture", "no-picture"));
    }
    figure.append(caption);
    const item = element("li");
    item.append(figure);
    return item;
  };
  const open = (gallery) => {
    dialog.querySelector("h2").textContent = gallery.title;
    list.replaceChildren(...gallery.photos.map(shown));
    dialog.showModal();
    dialog.scrollTop = 0;
    waiting(list).forEach((image) => seen.observe(image));
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-gallery]");
    if (link && Object.hasOwn(galleries, link.dataset.gallery)) {
      event.preventDefault();
      open(galleries[link.dataset.gallery]);
    }
    if (event.target === dialog) dialog.close();
  });

  addEventListener("beforeprint", () => {
    waiting(document).forEach(give);
    document.querySelectorAll("details.open-in-print").forEach((each) => { each.open = true; });
  });
})();
