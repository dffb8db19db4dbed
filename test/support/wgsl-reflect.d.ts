// The library types its main entry only; its self-contained module is the file that both Node and bundlers can load.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect'
}
