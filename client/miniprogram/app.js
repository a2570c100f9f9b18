"use strict";

const { Heyi } = require("./heyi.js");

App({
  heyi: new Heyi({
    baseUrl: "https://heyi.example.com", // http.public_url
    appKey: "the app key", // sign.app_key
  }),

  // Also called when the person comes back from PayJS.
  onShow(options) {
    this.back = this.heyi.cameBack(options);
  },
});
