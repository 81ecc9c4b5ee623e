export default function services() {}
